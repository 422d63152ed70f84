use std::path::{Path, PathBuf};

use bt_storage::create::{self, Selection};

use crate::arguments::{Create, Links};

/// Does something with what the command line says of the files to take. `own` is where the torrent
/// goes if that is among them: a former one is no part of its own content.
pub(super) fn with<T>(
    create: &Create,
    own: Option<PathBuf>,
    act: impl FnOnce(&Selection<'_>) -> T,
) -> T {
    let exclude = |path: &Path| {
        own.as_deref() == Some(path) || create.exclude.iter().any(|glob| glob.is_match(path))
    };
    act(&Selection {
        hidden: create.hidden,
        links: match create.links {
            Links::Refuse => create::Links::Refuse,
            Links::Skip => create::Links::Skip,
            Links::Follow => create::Links::Follow,
        },
        exclude: Some(&exclude),
    })
}
