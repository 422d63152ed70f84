use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bt_tracker::Family;

/// Where the last announce to each tracker of a torrent ended, so that of many addresses each has
/// its turn, however little time one announce has. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<LastTried>>);

type LastTried = HashMap<Of, Noted>;

/// Where an announce ended, and how.
pub(super) type Noted = (SocketAddr, Fate);

/// The URL, and the family if each is announced to for itself.
pub(super) type Of = (Arc<str>, Option<Family>);

/// What became of an announce to one address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    Answered,
    /// No answer so far, or a refusal.
    Unanswered,
}

impl Memory {
    /// Returns what was noted before.
    pub(super) fn note(&self, of: &Of, address: SocketAddr, fate: Fate) -> Option<Noted> {
        self.lock().insert(of.clone(), (address, fate))
    }

    /// What was noted last is nothing to go by: what was there before is.
    pub(super) fn put_back(&self, of: &Of, before: Option<Noted>) {
        match before {
            Some(noted) => _ = self.lock().insert(of.clone(), noted),
            None => _ = self.lock().remove(of),
        }
    }

    /// Brings a tracker's addresses into the order in which they are to be tried: first the one
    /// that answered last, or else the one behind the one that did not.
    pub(super) fn put_in_turn(&self, of: &Of, addresses: &mut [SocketAddr]) {
        let Some((last, fate)) = self.lock().get(of).copied() else {
            return;
        };
        let Some(position) = addresses.iter().position(|&address| address == last) else {
            return;
        };
        let first = match fate {
            Fate::Answered => position,
            Fate::Unanswered => position + 1,
        };
        addresses.rotate_left(first);
    }

    fn lock(&self) -> MutexGuard<'_, LastTried> {
        // No step under this lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> SocketAddr {
        ([192, 0, 2, last], 80).into()
    }

    #[test]
    fn every_address_has_its_turn_and_the_one_that_answers_stays() {
        let memory = Memory::default();
        let url = ("udp://t:80".into(), None);
        let in_turn = || {
            let mut addresses = [1, 2, 3].map(address);
            memory.put_in_turn(&url, &mut addresses);
            addresses.map(|address| match address {
                SocketAddr::V4(address) => address.ip().octets()[3],
                SocketAddr::V6(_) => unreachable!("all are v4"),
            })
        };
        assert_eq!(in_turn(), [1, 2, 3]);
        memory.note(&url, address(2), Fate::Unanswered);
        assert_eq!(in_turn(), [3, 1, 2]);
        memory.note(&url, address(3), Fate::Unanswered);
        assert_eq!(in_turn(), [1, 2, 3]);
        memory.note(&url, address(3), Fate::Answered);
        assert_eq!(in_turn(), [3, 1, 2]);
        memory.note(&url, address(9), Fate::Answered);
        assert_eq!(in_turn(), [1, 2, 3], "it is none of the addresses any more");
    }
}
