use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use sha1::{Digest, Sha1};

use crate::NodeId;

/// Makes write tokens and recognises them again without remembering any (BEP 5).
///
/// A token is a keyed hash of whom it was given to, and for what; the key changes every five
/// minutes, and that of the five minutes before is still taken.
#[derive(Debug)]
pub(crate) struct Tokens {
    secret: [u8; 16],
    epoch: Instant,
    /// The period whose keys these are: its own and the one before.
    period: u64,
    keys: [[u8; 16]; 2],
}

/// What [`Tokens::issue`] gives.
pub(crate) type Token = [u8; 8];

impl Tokens {
    pub(crate) fn new(now: Instant, secret: [u8; 16]) -> Self {
        let keys = [key(&secret, 0), key(&secret, u64::MAX)];
        Self {
            secret,
            epoch: now,
            period: 0,
            keys,
        }
    }

    /// For who asked from `ip` about `target`.
    pub(crate) fn issue(&mut self, now: Instant, ip: IpAddr, target: NodeId) -> Token {
        self.rotate(now);
        token(&self.keys[0], ip, target)
    }

    pub(crate) fn accepts(
        &mut self,
        now: Instant,
        ip: IpAddr,
        target: NodeId,
        given: &[u8],
    ) -> bool {
        self.rotate(now);
        self.keys.iter().any(|key| token(key, ip, target) == given)
    }

    fn rotate(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.epoch);
        let period = age.as_secs() / ROTATION.as_secs();
        if period != self.period {
            self.period = period;
            self.keys = [period, period.wrapping_sub(1)].map(|period| key(&self.secret, period));
        }
    }
}

fn key(secret: &[u8; 16], period: u64) -> [u8; 16] {
    let hash = Sha1::new()
        .chain_update(secret)
        .chain_update(period.to_be_bytes())
        .finalize();
    *hash
        .first_chunk()
        .expect("holds because SHA-1 has 20 bytes")
}

/// The parts are of fixed length and fill one block of the hash.
fn token(key: &[u8; 16], ip: IpAddr, target: NodeId) -> Token {
    let ip = match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    let hash = Sha1::new()
        .chain_update(key)
        .chain_update(ip.octets())
        .chain_update(target.0)
        .finalize();
    *hash
        .first_chunk()
        .expect("holds because SHA-1 has 20 bytes")
}

/// BEP 5: the secret changes every five minutes, tokens of up to ten minutes are taken.
const ROTATION: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_bound_to_address_target_and_time() {
        let start = crate::test_epoch();
        let mut tokens = Tokens::new(start, [7; 16]);
        let (ip, other_ip) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let (target, other) = (NodeId([1; 20]), NodeId([2; 20]));
        let at = |secs| start + Duration::from_secs(secs);
        let token = tokens.issue(at(299), ip, target);
        assert!(tokens.accepts(at(299), ip, target, &token));
        assert!(!tokens.accepts(at(299), other_ip, target, &token));
        assert!(!tokens.accepts(at(299), ip, other, &token));
        assert!(!tokens.accepts(at(299), ip, target, &token[..7]));
        assert!(!tokens.accepts(at(299), ip, target, b""));
        assert!(tokens.accepts(at(599), ip, target, &token));
        assert!(!tokens.accepts(at(600), ip, target, &token));
        let token = tokens.issue(at(600), ip, target);
        assert!(tokens.accepts(at(1199), ip, target, &token));
        assert!(!tokens.accepts(at(1200), ip, target, &token));
    }

    #[test]
    fn secrets_matter() {
        let start = crate::test_epoch();
        let ip = IpAddr::from([192, 0, 2, 1]);
        let issue = |secret| Tokens::new(start, [secret; 16]).issue(start, ip, NodeId([1; 20]));
        assert_ne!(issue(1), issue(2));
        assert_eq!(issue(1), issue(1));
    }
}
