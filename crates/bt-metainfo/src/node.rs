use std::fmt;

use bt_bencoding::Value;

use crate::{MetainfoError, MetainfoErrorKind};

/// A value and the way to it, which becomes text only when there is an error to report.
#[derive(Clone, Copy)]
pub(crate) struct Node<'p, 't, 'a> {
    pub(crate) value: Value<'t, 'a>,
    place: Place<'p>,
}

#[derive(Clone, Copy)]
pub(crate) enum Place<'p> {
    /// The value where reading begins.
    Root(&'static str),
    /// Under a key of a dictionary.
    Key(&'p Place<'p>, &'static str),
    /// In a list, counted from 0.
    Item(&'p Place<'p>, usize),
    /// In the file tree, under a sanitised path.
    Path(&'p Place<'p>, &'p str),
}

impl<'p, 't, 'a> Node<'p, 't, 'a> {
    pub(crate) fn new(value: Value<'t, 'a>, place: Place<'p>) -> Self {
        Self { value, place }
    }

    pub(crate) fn place(&self) -> &Place<'p> {
        &self.place
    }

    pub(crate) fn fail<T>(&self, kind: MetainfoErrorKind) -> Result<T, MetainfoError> {
        Err(MetainfoError::new(self.place, kind))
    }

    /// The value under `key`; `None` also if `self` is no dictionary.
    pub(crate) fn get(&self, key: &'static str) -> Option<Node<'_, 't, 'a>> {
        let value = self.value.get(key)?;
        Some(Node::new(value, Place::Key(&self.place, key)))
    }

    pub(crate) fn require(&self, key: &'static str) -> Result<Node<'_, 't, 'a>, MetainfoError> {
        let missing = || {
            let place = Place::Key(&self.place, key);
            MetainfoError::new(place, MetainfoErrorKind::Missing)
        };
        self.get(key).ok_or_else(missing)
    }

    pub(crate) fn int(&self) -> Result<i64, MetainfoError> {
        self.typed(self.value.as_int(), "an integer")
    }

    /// An integer that is not negative.
    pub(crate) fn length(&self) -> Result<u64, MetainfoError> {
        let value = self.int()?;
        match u64::try_from(value) {
            Ok(length) => Ok(length),
            Err(_) => self.fail(MetainfoErrorKind::Negative(value)),
        }
    }

    pub(crate) fn bytes(&self) -> Result<&'a [u8], MetainfoError> {
        self.typed(self.value.as_bytes(), "a string")
    }

    pub(crate) fn list(&self) -> Result<impl Iterator<Item = Node<'_, 't, 'a>>, MetainfoError> {
        let values = self.typed(self.value.as_list(), "a list")?;
        Ok(values
            .enumerate()
            .map(|(index, value)| Node::new(value, Place::Item(&self.place, index))))
    }

    pub(crate) fn dict(&self) -> Result<bt_bencoding::Dict<'t, 'a>, MetainfoError> {
        self.typed(self.value.as_dict(), "a dictionary")
    }

    fn typed<T>(&self, value: Option<T>, expected: &'static str) -> Result<T, MetainfoError> {
        match value {
            Some(value) => Ok(value),
            None => self.fail(MetainfoErrorKind::WrongType(expected)),
        }
    }
}

impl fmt::Display for Place<'_> {
    /// Recurses as deep as the source nests these calls: five levels.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(name) => f.write_str(name),
            Self::Key(Self::Root("torrent"), key) => f.write_str(key),
            Self::Key(parent, key) => write!(f, "{parent}.{key}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
            Self::Path(parent, path) => write!(f, "{parent}[{path}]"),
        }
    }
}
