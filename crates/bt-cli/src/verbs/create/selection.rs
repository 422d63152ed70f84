use std::{
    cell::Cell,
    path::{Path, PathBuf},
};

use bt_storage::create::{self, Selection};

use crate::arguments::{Create, Links};

/// Does something with what the command line says of the files to take. `own` is where the torrent
/// goes if that is among them: a former one is no part of its own content. Returns also which
/// patterns have matched nothing.
pub(super) fn with<T>(
    create: &Create,
    own: Option<PathBuf>,
    act: impl FnOnce(&Selection<'_>) -> T,
) -> (T, Vec<String>) {
    let patterns: Vec<_> = create
        .exclude
        .iter()
        .map(|it| (it, Cell::new(false)))
        .collect();
    let exclude = |path: &Path| {
        let mut is_excluded = own.as_deref() == Some(path);
        for (pattern, has_matched) in &patterns {
            if pattern.is_match(path) {
                has_matched.set(true);
                is_excluded = true;
            }
        }
        is_excluded
    };
    let done = act(&Selection {
        hidden: create.hidden,
        links: match create.links {
            Links::Refuse => create::Links::Refuse,
            Links::Skip => create::Links::Skip,
            Links::Follow => create::Links::Follow,
        },
        exclude: Some(&exclude),
    });
    let idle = patterns
        .iter()
        .filter(|(_, has_matched)| !has_matched.get());
    let idle = idle.map(|(pattern, _)| pattern.text.clone()).collect();
    (done, idle)
}

#[cfg(test)]
mod tests {
    use bt_storage::create::Content;
    use clap::Parser;
    use tempfile::TempDir;

    use super::*;
    use crate::arguments::{Arguments, Verb};

    #[test]
    fn patterns_that_match_nothing_are_known() {
        let folder = TempDir::new().unwrap();
        for name in ["a.nfo", "b"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let words = ["-x", "*.nfo", "-x", "a.*", "-x", "./b", "-x", "*.nof"];
        let words = ["bt", "create", "album"].into_iter().chain(words);
        let Verb::Create(create) = Arguments::parse_from(words).verb else {
            panic!("another verb");
        };
        let own = Some(PathBuf::from("b"));
        let (content, idle) = with(&create, own, |selection| {
            Content::find(folder.path(), selection)
        });
        assert!(content.unwrap().files.is_empty());
        assert_eq!(idle, ["*.nof"]);
    }
}
