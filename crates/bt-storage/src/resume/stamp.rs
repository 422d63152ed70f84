/// How a file looks from outside: what differs as soon as somebody has written to it, cut it, or put
/// another in its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stamp {
    /// Its bytes.
    pub length: u64,
    /// When it was last written to. Anybody can set it.
    pub modified: FileTime,
    /// When anything about it was last changed, its name included, which nobody can set; the same as
    /// `modified` where the system does not tell.
    pub changed: FileTime,
}

/// A time that a file system has noted: since 1970, and only to be compared with others of its kind.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct FileTime {
    /// Whole seconds.
    pub secs: i64,
    /// And the rest.
    pub nanos: u32,
}

impl Stamp {
    /// Its bytes in records and journals, little-endian: length, then the two times.
    pub(super) const ENCODED: usize = 32;

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.length.to_le_bytes());
        for time in [self.modified, self.changed] {
            out.extend(time.secs.to_le_bytes());
            out.extend(time.nanos.to_le_bytes());
        }
    }

    /// `None` unless these are the bytes of a stamp, and of nothing else.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (length, times) = bytes.split_first_chunk()?;
        let (modified, changed) = times.split_at_checked(FileTime::ENCODED)?;
        Some(Self {
            length: u64::from_le_bytes(*length),
            modified: FileTime::decode(modified)?,
            changed: FileTime::decode(changed)?,
        })
    }

    /// The later of two that were taken of one file, perhaps by two threads.
    pub(super) fn later(self, other: Self) -> Self {
        let order = |stamp: &Self| (stamp.changed, stamp.modified, stamp.length);
        std::cmp::max_by_key(self, other, order)
    }
}

impl FileTime {
    const ENCODED: usize = 12;

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (secs, nanos) = bytes.split_first_chunk()?;
        Some(Self {
            secs: i64::from_le_bytes(*secs),
            nanos: u32::from_le_bytes(nanos.try_into().ok()?),
        })
    }

    /// Whether it is later than `other` by more than `secs` seconds.
    pub(super) fn is_after(self, other: Self, secs: i64) -> bool {
        let limit = Self {
            secs: other.secs.saturating_add(secs),
            nanos: other.nanos,
        };
        self > limit
    }
}
