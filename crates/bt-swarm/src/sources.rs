use bt_types::PeerSource;

/// How many peers each source has brought since the torrent was started.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SourceCounts([SourceCount; PeerSource::ALL.len()]);

/// What one source has brought. A peer that several have named counts for each of them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct SourceCount {
    /// Addresses that it named and that could be a peer's, each once as long as it is remembered;
    /// of [`PeerSource::Incoming`] those where a peer that came to us says that it listens.
    pub named: u64,
    /// Of these, the ones to which a connection came about, in whichever direction.
    pub connected: u64,
}

impl SourceCounts {
    /// What this one has brought.
    #[must_use]
    pub fn of(&self, source: PeerSource) -> SourceCount {
        self.0[source as usize]
    }

    /// Those that have brought anybody, best first.
    pub fn iter(&self) -> impl Iterator<Item = (PeerSource, SourceCount)> + '_ {
        let all = PeerSource::ALL.into_iter();
        all.map(|source| (source, self.of(source)))
            .filter(|(_, count)| count.named > 0)
    }

    pub(crate) fn named(&mut self, source: PeerSource) {
        self.0[source as usize].named += 1;
    }

    pub(crate) fn connected(&mut self, source: PeerSource) {
        self.0[source as usize].connected += 1;
    }
}
