//! Whether the whole is the right one, and who has sent what is not.

use std::net::SocketAddr;

use bt_hash::{sha1, sha256};
use bt_types::BLOCK_LENGTH;

use super::Fetch;
use crate::{bans::is_same_culprit, metadata::draft::Part};

/// What a complete copy turns out to be.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// The dictionary, and who had sent other blocks before than those of it.
    Right {
        bytes: Vec<u8>,
        liars: Vec<SocketAddr>,
    },
    /// Wrong, and all of it came from one peer.
    Lie(SocketAddr),
    /// Wrong, from one of these.
    Mixed(Vec<SocketAddr>),
    /// It is what one of the ids says, and not what the other does: there is no right one.
    Contradiction,
}

/// A block of a copy that was wrong.
#[derive(Debug)]
pub(super) struct Exhibit {
    size: u32,
    block: u32,
    digest: [u8; 20],
    from: SocketAddr,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Check {
    Right,
    Wrong,
    Contradicts,
}

impl Fetch {
    /// Looks at a copy that is complete; `None` if none is. To be called until then after each
    /// block.
    pub(crate) fn judge(&mut self) -> Option<Verdict> {
        let complete = self.groups.iter().find_map(|(&size, group)| {
            let mut drafts = group.drafts.iter();
            let whole = drafts.find(|(_, (draft, _))| draft.is_complete());
            whole.map(|(&owner, _)| (size, owner))
        });
        let (size, owner) = complete?;
        let group = self.groups.get_mut(&size)?;
        let (draft, _) = group.drafts.remove(&owner)?;
        let senders = draft.senders();
        let mut bytes = Vec::with_capacity(size as usize);
        let mut origins = Vec::new();
        for Part { from, bytes: part } in draft.into_parts() {
            bytes.extend_from_slice(&part);
            origins.push(from);
        }
        match self.check(&bytes) {
            Check::Right => {
                let liars = self.liars(&bytes);
                self.finish(size);
                Some(Verdict::Right { bytes, liars })
            }
            Check::Contradicts => {
                self.finish(0);
                Some(Verdict::Contradiction)
            }
            Check::Wrong => Some(self.blame(size, &bytes, &origins, senders)),
        }
    }

    /// A copy was wrong.
    fn blame(
        &mut self,
        size: u32,
        bytes: &[u8],
        origins: &[SocketAddr],
        senders: Vec<SocketAddr>,
    ) -> Verdict {
        let is_one = senders
            .windows(2)
            .all(|pair| is_same_culprit(pair[0], pair[1]));
        match senders.first() {
            Some(&liar) if is_one => return Verdict::Lie(liar),
            _ => {}
        }
        let blocks = bytes.chunks(BLOCK_LENGTH as usize).zip(origins);
        let exhibits = (0..).zip(blocks).map(|(block, (bytes, from))| Exhibit {
            size,
            block,
            digest: sha1(bytes),
            from: *from,
        });
        let room = MAX_EVIDENCE.saturating_sub(self.evidence.len());
        self.evidence.extend(exhibits.take(room));
        for source in self.sources.values_mut().filter(|peer| peer.size == size) {
            source.give_up();
        }
        if let Some(group) = self.groups.get_mut(&size) {
            group.is_suspect = true;
        }
        Verdict::Mixed(senders)
    }

    /// Whoever has sent something else before than what is right.
    fn liars(&self, right: &[u8]) -> Vec<SocketAddr> {
        let blocks = right.chunks(BLOCK_LENGTH as usize);
        let digests: Vec<_> = match self.evidence.is_empty() {
            true => Vec::new(),
            false => blocks.map(sha1).collect(),
        };
        let is_lie = |exhibit: &&Exhibit| {
            let right_digest = digests.get(exhibit.block as usize);
            exhibit.size as usize != right.len() || right_digest != Some(&exhibit.digest)
        };
        let mut liars: Vec<_> = self
            .evidence
            .iter()
            .filter(is_lie)
            .map(|exhibit| exhibit.from)
            .collect();
        liars.sort_unstable();
        liars.dedup();
        liars
    }

    fn check(&self, bytes: &[u8]) -> Check {
        let v1 = self.ids.v1().map(|id| sha1(bytes) == id.0);
        let v2 = self.ids.v2().map(|id| sha256(bytes) == id.0);
        match (v1, v2) {
            (Some(true), Some(false)) | (Some(false), Some(true)) => Check::Contradicts,
            (Some(false), _) | (_, Some(false)) => Check::Wrong,
            _ => Check::Right,
        }
    }
}

/// Of 64 MiB of wrong copies.
pub(super) const MAX_EVIDENCE: usize = 4096;
