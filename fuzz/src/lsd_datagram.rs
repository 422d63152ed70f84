//! What strangers send to the multicast groups of BEP 14.

use bt_lsd::{Group, Ignored, Lsd, MAX_DATAGRAM};

/// The first byte says from where it comes; the rest is a datagram.
pub fn run(data: &[u8]) {
    let Some((&from, datagram)) = data.split_first() else {
        return;
    };
    let is_local = from % 2 == 0;
    let network = if is_local { 10 } else { 198 };
    let from = ([network, 51, 100, from], 6771).into();
    let now = crate::epoch();
    let mut ours = Lsd::new(now, 6881, [7; 8]);
    let found = match ours.handle_datagram(now, from, datagram) {
        Ok(found) => found,
        Err(ignored) => return assert_eq!(ignored == Ignored::NotLocal, !is_local),
    };
    assert!(is_local && datagram.len() <= MAX_DATAGRAM);
    assert!(found.peer.ip() == from.ip() && found.peer.port() != 0);
    let swarms: Vec<_> = found.swarms().collect();
    assert!((1..=26).contains(&swarms.len()));

    // As we would say it, it says the same.
    let theirs = Lsd::new(now, found.peer.port(), [8; 8]);
    let mut again = Vec::new();
    for search in theirs.searches(Group::V6, &swarms) {
        let heard = ours.handle_datagram(now, from, &search).expect("a search");
        assert_eq!(heard.peer, found.peer);
        again.extend(heard.swarms());
    }
    assert_eq!(again, swarms);
}
