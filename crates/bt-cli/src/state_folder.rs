use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// Where it is remembered what is on disk, from one run to the next: as the user wishes, or where
/// the system has such things. `None` if it has none, for instance for a user without a home.
pub(crate) fn state_folder(wished: Option<&Path>) -> Option<PathBuf> {
    wished.map_or_else(|| usual(|name| env::var_os(name)), |path| Some(path.into()))
}

/// The XDG base directories, or what Windows has instead.
fn usual(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // What is not absolute is to be passed over, says the specification.
    let folder = |name| {
        let folder = variable(name).map(PathBuf::from);
        folder.filter(|folder| folder.is_absolute())
    };
    let base = folder("XDG_STATE_HOME")
        .or_else(|| folder("HOME").map(|home| home.join(".local/state")))
        .or_else(|| folder("LOCALAPPDATA"));
    base.map(|base| base.join("bt"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn as_the_specification_says() {
        let home = ("HOME", "/home/a");
        let state = ("XDG_STATE_HOME", "/s");
        let relative = ("XDG_STATE_HOME", "s");
        for (variables, expected) in [
            (vec![home], Some("/home/a/.local/state/bt")),
            (vec![home, state], Some("/s/bt")),
            (vec![home, relative], Some("/home/a/.local/state/bt")),
            (vec![relative], None),
            (vec![], None),
        ] {
            let found = usual(|name| {
                let mut variables = variables.iter();
                let found = variables.find(|(known, _)| *known == name);
                found.map(|(_, value)| value.into())
            });
            assert_eq!(found, expected.map(PathBuf::from), "{variables:?}");
        }
        let wished = Path::new("here");
        assert_eq!(state_folder(Some(wished)), Some("here".into()));
    }
}
