/// The exit codes of failures, which scripts rely on. 0 is success.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Failed for a reason that has no code of its own.
    Other = 1,
    /// Wrong usage, as clap says where it notices.
    Usage = 2,
    /// Stopped before completion, by `--timeout` or an interrupt.
    Stopped = 3,
    /// The torrent is bad, or of a kind that is not supported. One that cannot be read may be good:
    /// who removes or reports bad torrents by this code is not led astray by a typing mistake.
    BadTorrent = 4,
    /// The disk failed.
    Disk = 5,
    /// Data failed verification.
    Verification = 6,
}

/// Why a command failed: one line that says what is wrong and, where that is not plain, what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// Empty if the user has been told.
    message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }

    /// For commands that fail in parts, and tell of each part when it fails.
    pub(crate) fn told(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    pub(crate) fn is_told(&self) -> bool {
        self.message.is_empty()
    }

    /// The failure of one thing among several.
    pub(crate) fn of(self, name: &str) -> Self {
        Self {
            message: format!("{name}: {}", self.message),
            ..self
        }
    }

    pub(crate) fn other(message: impl Into<String>) -> Self {
        Self::new(Exit::Other, message)
    }
}
