//! The info dictionary from peers and to peers (BEP 9).

mod draft;
mod fetch;
mod serving;
mod source;

pub(crate) use fetch::{Data, Fetch, Verdict};
pub(crate) use serving::{Answer, Serving};

/// How far the metadata has come, while it is fetched from peers (BEP 9).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct MetadataProgress {
    /// Bytes received of the copy that is most likely to be the right one. Unverified: they may
    /// have to come again.
    pub bytes: u32,
    /// Bytes of it in all, by the word of most peers; 0 while nobody has said how many.
    pub total: u32,
    /// Peers that say so, and answer.
    pub peers: usize,
}

#[cfg(test)]
mod tests;
