use bt_metainfo::{InfoBuilder, Metainfo};
use bt_storage::create::Content;

use super::shown_below;

/// A line for each reason for which files would be called otherwise on disk than they are, which
/// names the first of them.
pub(super) fn warnings(name: &str, content: &Content, torrent: &Metainfo) -> Vec<String> {
    let files = content.files.iter().zip(torrent.info().files());
    let mut unportable = Renamed::default();
    let mut repeated = Renamed::default();
    for (file, written) in files {
        let is = written_below(name, &file.path);
        let components = written.path.components();
        if components.eq(is.iter().map(String::as_str)) {
            continue;
        }
        let kind = if is_portable(name, &file.path) {
            &mut repeated
        } else {
            &mut unportable
        };
        kind.note(&is, written.path.to_string());
    }
    let unportable = unportable.in_words(|is| format!("not every system takes the name {is}"));
    let repeated = repeated.in_words(|is| {
        format!("on some systems, {is} is the same as another name that differs in case or form")
    });
    unportable.into_iter().chain(repeated).collect()
}

/// Of one kind.
#[derive(Default)]
struct Renamed {
    /// As it is, and as it would be.
    first: Option<(String, String)>,
    count: usize,
}

impl Renamed {
    fn note(&mut self, is: &[String], becomes: String) {
        self.count += 1;
        self.first.get_or_insert_with(|| (shown_below(is), becomes));
    }

    fn in_words(self, what: impl FnOnce(&str) -> String) -> Option<String> {
        let (is, becomes) = self.first?;
        let others = match self.count - 1 {
            0 => String::new(),
            more => format!(" (and so with {more} more)"),
        };
        let what = what(&is);
        Some(format!(
            "{what}: bt get writes {becomes}, and bt seed does not find its bytes until it is \
             renamed to that{others}"
        ))
    }
}

/// Whether a file would keep its name if it were the only one.
fn is_portable(name: &str, path: &[String]) -> bool {
    let info = InfoBuilder::new(name, 16 << 10);
    let info = if path.is_empty() {
        info.single_file(1)
    } else {
        info.file(path, 1)
    };
    let is = written_below(name, path);
    info.pieces([[0; 20]]).build().is_ok_and(|info| {
        let mut files = info.files().iter();
        let is = is.iter().map(String::as_str);
        files
            .next()
            .is_some_and(|file| file.path.components().eq(is))
    })
}

fn written_below(name: &str, path: &[String]) -> Vec<String> {
    let mut whole = vec![name.to_owned()];
    whole.extend_from_slice(path);
    whole
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use bt_metainfo::MetainfoBuilder;
    use bt_storage::create::Selection;
    use tempfile::TempDir;

    use super::*;

    fn warnings_of(files: &[&str]) -> Vec<String> {
        let folder = TempDir::new().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        let content = Content::find(folder.path(), &Selection::default()).unwrap();
        let mut info = InfoBuilder::new("album", 16 << 10);
        for file in &content.files {
            info = info.file(&file.path, file.length);
        }
        let torrent = MetainfoBuilder::new(info.pieces([[0; 20]]).encode()).encode();
        warnings("album", &content, &Metainfo::from_bytes(&torrent).unwrap())
    }

    #[test]
    fn names_that_stay_are_not_told() {
        assert!(warnings_of(&["a", "b/c"]).is_empty());
    }

    #[test]
    fn names_that_not_every_system_takes() {
        let warnings = warnings_of(&["a:b", "c?", "d"]);
        let [warning] = &warnings[..] else {
            panic!("{warnings:?}");
        };
        let expected = "takes the name album/a:b: bt get writes album/a_b,";
        assert!(warning.contains(expected), "{warning}");
        assert!(warning.ends_with("(and so with 1 more)"), "{warning}");
    }

    #[test]
    fn names_that_are_one_where_case_does_not_count() {
        let warnings = warnings_of(&["Read", "read", "x"]);
        let [warning] = &warnings[..] else {
            panic!("{warnings:?}");
        };
        assert!(warning.contains("album/read is the same as"), "{warning}");
    }
}
