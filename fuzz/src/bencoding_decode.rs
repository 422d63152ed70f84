//! Bencode of any content: what is accepted is walked whole and, where canonical, encoded again.

use bt_bencoding::{Document, Encoder, Kind, Lenient, Limits, Strict, Value};

/// All of it is the input.
pub fn run(data: &[u8]) {
    let limits = Limits::default();
    let lenient = Document::<Lenient>::parse_prefix(data, limits);
    let strict = Document::<Strict>::parse_prefix(data, limits);
    let Ok((document, consumed)) = lenient else {
        assert!(strict.is_err(), "strict accepts what lenient does not");
        return;
    };
    let root = document.root();
    assert_eq!(root.raw(), &data[..consumed]);
    let whole = Document::<Lenient>::parse(data, limits);
    assert_eq!(whole.is_ok(), consumed == data.len());
    let prefix = Document::<Lenient>::parse(&data[..consumed], limits);
    assert!(prefix.is_ok(), "what was consumed is a value by itself");

    let values = walk(root);
    let enough = Document::<Lenient>::parse_prefix(data, Limits::new(100, values));
    let too_few = Document::<Lenient>::parse_prefix(data, Limits::new(100, values - 1));
    assert!(enough.is_ok() && too_few.is_err(), "{values} values");

    if let Ok((_, strictly_consumed)) = strict {
        assert_eq!(strictly_consumed, consumed);
        let mut again = Vec::new();
        encode(root, Encoder::new(&mut again));
        assert_eq!(again, root.raw(), "canonical form is unique");
    }
}

/// Every value lies within its container, behind the one before it; returns how many there are.
fn walk(root: Value<'_, '_>) -> u32 {
    let mut values = 1;
    let mut open = vec![root];
    while let Some(value) = open.pop() {
        let end = value.offset() + value.raw().len();
        let mut behind = value.offset() + 1;
        let mut visit = |inner: Value<'_, '_>| {
            assert!(inner.offset() >= behind);
            behind = inner.offset() + inner.raw().len();
            assert!(behind < end);
        };
        match value.kind() {
            Kind::Int => assert!(value.as_int().is_some()),
            Kind::Bytes => assert!(value.raw().ends_with(value.as_bytes().expect("a string"))),
            Kind::List => {
                for item in value.as_list().expect("a list") {
                    visit(item);
                    values += 1;
                    open.push(item);
                }
            }
            Kind::Dict => {
                for (key, item) in value.as_dict().expect("a dictionary") {
                    visit(item);
                    values += 2;
                    open.push(item);
                    assert!(
                        value
                            .get(key)
                            .is_some_and(|first| first.offset() <= item.offset())
                    );
                }
            }
        }
    }
    values
}

/// Recurses as deep as the limit of the default, which is 100.
fn encode(value: Value<'_, '_>, encoder: Encoder<'_>) {
    if let Some(value) = value.as_int() {
        encoder.int(value);
    } else if let Some(value) = value.as_bytes() {
        encoder.bytes(value);
    } else if let Some(values) = value.as_list() {
        encoder.list(|list| values.for_each(|value| encode(value, list.value())));
    } else if let Some(entries) = value.as_dict() {
        encoder.dict(|dict| {
            for (key, value) in entries {
                let mut encoded = Vec::new();
                encode(value, Encoder::new(&mut encoded));
                dict.raw(key, &encoded);
            }
        });
    }
}
