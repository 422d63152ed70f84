/// One of the things that a peer is judged by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Term {
    /// What it sends us.
    DownloadRate,
    /// What it takes from us.
    UploadRate,
    /// How far away it is.
    Latency,
    /// How reliably it answers requests.
    Answers,
    /// Whether what it sends is right.
    HashFailures,
    /// How connections to it went.
    Connections,
}

/// A set of [`Term`]s; all of them by default.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Terms(u8);

impl Term {
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::DownloadRate,
        Self::UploadRate,
        Self::Latency,
        Self::Answers,
        Self::HashFailures,
        Self::Connections,
    ];

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Terms {
    /// Every term.
    pub const ALL: Self = Self(u8::MAX);

    /// The same without `term`.
    #[must_use]
    pub fn without(self, term: Term) -> Self {
        Self(self.0 & !term.bit())
    }

    /// Whether `term` counts.
    #[must_use]
    pub fn contains(self, term: Term) -> bool {
        self.0 & term.bit() != 0
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self::ALL
    }
}
