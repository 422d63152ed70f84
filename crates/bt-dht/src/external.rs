use std::net::IpAddr;

use crate::address;

/// What our address is, by the votes of those that answer us (BEP 42).
///
/// Each neighbourhood has one vote, so that who has many addresses in one place does not decide;
/// and only answers that we asked for count, of nodes and of trackers (BEP 24).
#[derive(Debug, Default)]
pub(crate) struct ExternalVotes {
    /// The voter's neighbourhood and what it said, oldest first.
    votes: Vec<(IpAddr, IpAddr)>,
    elected: Option<IpAddr>,
}

impl ExternalVotes {
    /// `voter` says that we are `claimed`. Returns the address if it is another than before.
    pub(crate) fn vote(&mut self, voter: IpAddr, claimed: IpAddr) -> Option<IpAddr> {
        if address::is_local(claimed) || claimed.is_ipv4() != voter.is_ipv4() {
            return None;
        }
        let voter = address::voter(voter);
        self.votes.retain(|(known, _)| *known != voter);
        if self.votes.len() == MAX_VOTES {
            self.votes.remove(0);
        }
        self.votes.push((voter, claimed));
        let for_it = self
            .votes
            .iter()
            .filter(|(_, vote)| *vote == claimed)
            .count();
        let is_elected = for_it >= QUORUM && 2 * for_it > self.votes.len();
        if !is_elected || self.elected == Some(claimed) {
            return None;
        }
        self.elect(claimed)
    }

    /// It is known from elsewhere. Returns the address if it is another than before.
    pub(crate) fn elect(&mut self, ip: IpAddr) -> Option<IpAddr> {
        let is_news = self.elected != Some(ip);
        self.elected = Some(ip);
        is_news.then_some(ip)
    }

    pub(crate) fn elected(&self) -> Option<IpAddr> {
        self.elected
    }
}

/// So many neighbourhoods must agree, and be more than half of those that were heard.
const QUORUM: usize = 4;
const MAX_VOTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_neighbourhoods_decide() {
        let mut votes = ExternalVotes::default();
        let (mine, other) = (
            IpAddr::from([198, 51, 100, 7]),
            IpAddr::from([203, 0, 113, 7]),
        );
        let voter = |a: u8, b: u8| IpAddr::from([11, a, b, 1]);
        // However often one says it.
        for b in 0..100 {
            assert_eq!(votes.vote(voter(1, b), mine), None);
        }
        assert_eq!(votes.vote(voter(2, 0), mine), None);
        assert_eq!(votes.vote(voter(3, 0), other), None);
        assert_eq!(votes.vote(voter(4, 0), mine), None);
        assert_eq!(votes.vote(voter(5, 0), mine), Some(mine));
        assert_eq!(votes.vote(voter(6, 0), mine), None, "no news");
        // A minority does not change it, a new majority does.
        for n in 7..11 {
            assert_eq!(votes.vote(voter(n, 0), other), None);
        }
        let changed = (11..30).find_map(|n| votes.vote(voter(n, 0), other));
        assert_eq!(changed, Some(other));
        assert_eq!(votes.elected(), Some(other));
    }

    #[test]
    fn local_addresses_and_other_families_are_no_candidates() {
        let mut votes = ExternalVotes::default();
        for n in 0..20 {
            let voter = IpAddr::from([11, n, 0, 1]);
            assert_eq!(votes.vote(voter, [192, 168, 1, 1].into()), None);
            assert_eq!(votes.vote(voter, "2001:db8::1".parse().unwrap()), None);
        }
    }
}
