use std::{fmt, fs};

/// Which run of the machine this is: another one after it was off, or has failed.
///
/// A value, given to those who need it, so that tests and daemons can bring their own.
#[derive(Clone, Eq, PartialEq)]
pub struct BootId(Box<[u8]>);

impl BootId {
    /// The present one; `None` where the system does not tell (all but Linux yet). Then every start
    /// counts as one after a failure, and only what was synced is believed: true, if sometimes slow.
    #[must_use]
    pub fn current() -> Option<Self> {
        let told = fs::read("/proc/sys/kernel/random/boot_id").ok()?;
        Self::new(told.trim_ascii())
    }

    /// One with a name of 1 to 64 bytes.
    #[must_use]
    pub fn new(name: impl AsRef<[u8]>) -> Option<Self> {
        let name = name.as_ref();
        (1..=MAX_LENGTH)
            .contains(&name.len())
            .then(|| Self(name.into()))
    }

    /// Its name.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BootId({})", self.0.escape_ascii())
    }
}

/// A UUID has 36.
const MAX_LENGTH: usize = 64;
