/// Lets this process have as many files and connections open as the system allows it. Systems begin
/// with 1024, for the sake of programs of the last century (`select` has no room for more), and each
/// torrent needs some.
///
/// Where that is refused, it goes on with what it has.
#[cfg(unix)]
pub(crate) fn allow_many() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(ENOUGH).min(ENOUGH);
    if current.is_some_and(|current| current < wanted) {
        let raised = Rlimit {
            current: Some(wanted),
            maximum,
        };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::debug!(%error, wanted, "no more open files are allowed");
        }
    }
}

#[cfg(not(unix))]
pub(crate) fn allow_many() {}

/// For tens of thousands of torrents.
#[cfg(unix)]
const ENOUGH: u64 = 1 << 18;
