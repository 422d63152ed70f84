use super::*;
use crate::testing::epoch;

#[test]
fn a_message_a_minute_with_fifty_of_each_kind() {
    let mut gossip = Gossip::default();
    let mut now = epoch();
    let all = present(0..120);
    assert_eq!(gossip.tell(now, &all), None, "it does not listen");
    gossip.begin(now);
    assert_eq!(gossip.tell(now, &all), None, "so soon");
    now += FIRST_DELAY;
    let mut told = BTreeSet::new();
    for expected in [50, 50, 20] {
        let message = gossip.tell(now, &all).expect("there are more");
        assert_eq!((message.added.len(), message.dropped.len()), (expected, 0));
        told.extend(message.added.iter().map(|peer| peer.addr));
        let early = now + INTERVAL - Duration::from_millis(1);
        assert_eq!(gossip.tell(early, &all), None);
        now += INTERVAL;
    }
    assert_eq!(told.len(), 120, "none twice");
    assert_eq!(gossip.tell(now, &all), None, "no news");
    // Most go, a few come; who was never told of is not taken back.
    let rest = present(100..125);
    now += LOOK_INTERVAL;
    let message = gossip.tell(now, &rest).expect("much has changed");
    assert_eq!((message.added.len(), message.dropped.len()), (5, 50));
    now += INTERVAL;
    let message = gossip.tell(now, &rest).expect("the other half");
    assert_eq!((message.added.len(), message.dropped.len()), (0, 50));
    assert_eq!(gossip.told.len(), rest.len());
}

#[test]
fn who_tells_too_often_is_not_heard_and_who_floods_is_told_so() {
    let mut gossip = Gossip::default();
    let mut now = epoch();
    for _ in 0..100 {
        assert_eq!(gossip.hear(now), Heard::Taken);
        now += Duration::from_secs(30);
        assert_eq!(
            gossip.hear(now),
            Heard::TooSoon,
            "twice as often as allowed"
        );
        now += Duration::from_secs(30);
    }
    assert_eq!(gossip.hear(now), Heard::Taken);
    let flood = (0..30).map(|_| gossip.hear(now)).collect::<Vec<_>>();
    assert_eq!(
        flood
            .iter()
            .filter(|heard| **heard == Heard::TooSoon)
            .count(),
        20
    );
    assert_eq!(flood.last(), Some(&Heard::Flood(30)));
}

#[test]
fn local_addresses_are_for_neighbours_only() {
    for (other, told, is_it) in [
        ("9.9.9.9", "8.8.8.8", true),
        ("192.168.1.2", "8.8.8.8", true),
        ("192.168.1.2", "192.168.1.3", true),
        ("127.0.0.1", "192.168.1.3", true),
        ("127.0.0.1", "127.0.0.2", true),
        ("::1", "127.0.0.2", true),
        ("2001:db8::1", "9.9.9.9", true),
        ("9.9.9.9", "10.0.0.1", false),
        ("9.9.9.9", "127.0.0.1", false),
        ("9.9.9.9", "::1", false),
        ("9.9.9.9", "::ffff:127.0.0.1", false),
        ("9.9.9.9", "fe80::1", false),
        ("2001:db8::1", "fd00::1", false),
        ("192.168.1.2", "127.0.0.1", false),
        ("fd00::1", "::1", false),
    ] {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(is_common(ip(other), ip(told)), is_it, "{told} to {other}");
    }
}

fn present(numbers: std::ops::Range<u8>) -> BTreeMap<SocketAddr, PexFlags> {
    let addrs = numbers.map(|n| SocketAddr::from(([9, 9, 9, n], 6881)));
    addrs.map(|addr| (addr, PexFlags::default())).collect()
}
