//! Items of BEP 44, over the wire.

use super::*;
#[cfg(feature = "mutable")]
use crate::MutableItem;

fn immutable() -> Item {
    Item::Immutable(ImmutableItem::new(&b"12:Hello World!"[..]).unwrap())
}

fn found(events: &[Event]) -> Option<&Item> {
    events.iter().rev().find_map(|event| match event {
        Event::Item { item, .. } => Some(item),
        _ => None,
    })
}

#[test]
fn immutable_items_are_found_by_their_hash() {
    let mut world = World::with_nodes(20);
    let (_, outcome) = world.run(v4(3), |dht, now| dht.put(now, immutable(), None));
    assert_eq!(outcome, Outcome::Put { nodes: 8 });
    let wanted = Wanted::Immutable(immutable().target());
    let (events, outcome) = world.run(v4(9), |dht, now| dht.get(now, wanted));
    assert_eq!(outcome, Outcome::Got { is_found: true });
    assert_eq!(found(&events), Some(&immutable()));
    let wanted = Wanted::Immutable(NodeId([1; 20]));
    let (_, outcome) = world.run(v4(9), |dht, now| dht.get(now, wanted));
    assert_eq!(outcome, Outcome::Got { is_found: false });
}

#[cfg(feature = "mutable")]
fn mutable(salt: &str, seq: i64, value: &str) -> MutableItem {
    let value = format!("{}:{value}", value.len());
    MutableItem::sign(&[8; 32], salt, seq, value).unwrap()
}

#[cfg(feature = "mutable")]
#[test]
fn the_newest_version_is_found() {
    let mut world = World::with_nodes(20);
    let put = |world: &mut World, n, item, cas| {
        let (_, outcome) = world.run(v4(n), |dht, now| dht.put(now, Item::Mutable(item), cas));
        let Outcome::Put { nodes } = outcome else {
            panic!("{outcome:?}")
        };
        nodes
    };
    assert_eq!(put(&mut world, 3, mutable("a", 1, "one"), None), 8);
    assert_eq!(put(&mut world, 4, mutable("b", 1, "another"), None), 8);
    assert_eq!(put(&mut world, 5, mutable("a", 2, "two"), Some(1)), 8);
    assert_eq!(
        put(&mut world, 6, mutable("a", 3, "three"), Some(1)),
        0,
        "cas"
    );
    assert_eq!(put(&mut world, 6, mutable("a", 1, "one"), None), 0, "old");
    // One node has missed the change.
    let name = mutable("a", 1, "").name().clone();
    let now = world.now;
    let holder = world.nodes.values_mut();
    let holder = holder.filter(|dht| dht.items.get(now, name.target()).is_some());
    for dht in holder.take(1) {
        dht.items = ItemStore::new(now, 10);
        let old = Item::Mutable(mutable("a", 1, "one"));
        dht.items.put(now, NodeId([0; 20]), old, None).unwrap();
    }
    let wanted = Wanted::Mutable(name);
    let (events, outcome) = world.run(v4(9), |dht, now| dht.get(now, wanted));
    assert_eq!(outcome, Outcome::Got { is_found: true });
    assert_eq!(found(&events), Some(&Item::Mutable(mutable("a", 2, "two"))));
}

/// What a query to store brings about.
fn put_code(node: &mut Alone, target: NodeId, query_of: impl Fn(&[u8]) -> Vec<u8>) -> Option<i64> {
    let get = Method::Get {
        target,
        newer_than: None,
    };
    let answer = node.ask(v4(1), query(1, get));
    let token = response(&answer).token.expect("a token").to_vec();
    let datagram = query_of(&token);
    let _ = node.hear(v4(1), &datagram);
    let answers = node.sent();
    let (_, answer) = answers
        .iter()
        .find(|(_, datagram)| !matches!(wire::decode(datagram).unwrap().body, Body::Query(_)))
        .expect("an answer");
    match wire::decode(answer).unwrap().body {
        Body::Error(error) => Some(error.code),
        _ => None,
    }
}

fn put_query(method: Method<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let message = Message {
        transaction_id: b"tx",
        body: Body::Query(query(1, method)),
        version: None,
    };
    wire::encode(&message, &mut out);
    out
}

#[test]
fn bad_immutable_items_are_refused_with_their_codes() {
    let mut node = Alone::new(Config::default());
    let target = immutable().target();
    let put = |token: &[u8], value: &[u8]| {
        put_query(Method::Put {
            token,
            value,
            signed: None,
        })
    };
    let value = b"12:Hello World!";
    assert_eq!(put_code(&mut node, target, |token| put(token, value)), None);
    assert_eq!(node.dht.stored().2, 1);
    let bad_token = put_code(&mut node, target, |_| put(b"12345678", value));
    assert_eq!(bad_token, Some(203));
    let other_token = put_code(&mut node, NodeId([1; 20]), |token| put(token, value));
    assert_eq!(other_token, Some(203), "the token of another target");
    let big = format!("998:{}", "x".repeat(998));
    let big = put_code(&mut node, target, |token| put(token, big.as_bytes()));
    assert_eq!(big, Some(205));
    let unsorted = put_code(&mut node, target, |token| put(token, b"d1:bi1e1:ai1ee"));
    assert_eq!(unsorted, Some(203));
    assert_eq!(node.dht.stored().2, 1);
}

#[cfg(feature = "mutable")]
#[test]
fn bad_mutable_items_are_refused_with_their_codes() {
    use crate::wire::Signed;

    let mut node = Alone::new(Config::default());
    let item = mutable("salt", 5, "five");
    let target = item.name().target();
    let signed = Signed {
        key: item.name().key,
        salt: b"salt",
        seq: 5,
        signature: *item.signature(),
        cas: None,
    };
    let put = |token: &[u8], value: &[u8], signed| {
        put_query(Method::Put {
            token,
            value,
            signed: Some(signed),
        })
    };
    let of = |node: &mut Alone, value: &[u8], signed| {
        put_code(node, target, |token| put(token, value, signed))
    };
    let value = item.value();
    assert_eq!(of(&mut node, b"4:evil", signed), Some(206));
    let wrong_seq = Signed { seq: 6, ..signed };
    assert_eq!(of(&mut node, value, wrong_seq), Some(206));
    let long_salt = [b'x'; 65];
    let long_salt = Signed {
        salt: &long_salt,
        ..signed
    };
    assert_eq!(of(&mut node, value, long_salt), Some(207));
    assert_eq!(of(&mut node, value, signed), None);
    assert_eq!(of(&mut node, value, signed), None, "again");
    assert_eq!(
        of(
            &mut node,
            value,
            Signed {
                cas: Some(4),
                ..signed
            }
        ),
        Some(301)
    );
    let old = mutable("salt", 4, "four");
    let old_signed = Signed {
        seq: 4,
        signature: *old.signature(),
        ..signed
    };
    assert_eq!(of(&mut node, old.value(), old_signed), Some(302));
    let twin = mutable("salt", 5, "other");
    let twin_signed = Signed {
        signature: *twin.signature(),
        ..signed
    };
    assert_eq!(of(&mut node, twin.value(), twin_signed), Some(302));

    // Who has it already is told so without it.
    let get = |newer_than| Method::Get { target, newer_than };
    let answer = node.ask(v4(1), query(1, get(Some(5))));
    assert_eq!(
        (response(&answer).seq, response(&answer).value),
        (Some(5), None)
    );
    let answer = node.ask(v4(1), query(1, get(Some(4))));
    let told = response(&answer);
    assert_eq!((told.seq, told.value), (Some(5), Some(value)));
    assert_eq!(told.signature, Some(item.signature()));
    assert_eq!(told.key, Some(&item.name().key));
}

/// What comes of asking one node for an item that answers so.
fn answered<'a>(wanted: Wanted, answer: impl FnOnce(&mut Response<'a>)) -> Vec<Event> {
    let mut node = Alone::new(Config::default());
    node.befriend(Contact {
        id: NodeId([9; 20]),
        addr: v4(1),
    });
    node.dht.get(node.now, wanted).unwrap();
    let asked = node.sent();
    let mut response = Response::new(NodeId([9; 20]));
    answer(&mut response);
    node.hear(v4(1), &answer_to(&asked[0].1, response)).unwrap();
    std::iter::from_fn(|| node.dht.poll_event()).collect()
}

fn is_nothing(events: &[Event]) -> bool {
    let is_found = false;
    matches!(events, [Event::Finished { outcome, .. }] if *outcome == Outcome::Got { is_found })
}

#[test]
fn forged_items_are_not_believed() {
    let wanted = || Wanted::Immutable(immutable().target());
    let events = answered(wanted(), |forged| forged.value = Some(b"12:hello world!"));
    assert!(is_nothing(&events), "{events:?}");
    let events = answered(wanted(), |good| good.value = Some(b"12:Hello World!"));
    assert_eq!(found(&events), Some(&immutable()));
}

#[cfg(feature = "mutable")]
#[test]
fn forged_mutable_items_are_not_believed() {
    let item = mutable("salt", 5, "five");
    let wanted = || Wanted::Mutable(item.name().clone());
    // Signed well, by somebody else's key, or under another name of the same one.
    let of_other_key = MutableItem::sign(&[9; 32], "salt", 5, item.value()).unwrap();
    let of_other_salt = mutable("pepper", 5, "five");
    let mut bad_signature = *item.signature();
    bad_signature[0] ^= 1;
    let forgeries = [
        ("value", &item, 5, &b"4:evil"[..], item.signature()),
        ("seq", &item, 6, item.value(), item.signature()),
        ("signature", &item, 5, item.value(), &bad_signature),
        (
            "key",
            &of_other_key,
            5,
            of_other_key.value(),
            of_other_key.signature(),
        ),
        (
            "salt",
            &of_other_salt,
            5,
            of_other_salt.value(),
            of_other_salt.signature(),
        ),
    ];
    for (what, of, seq, value, signature) in forgeries {
        let events = answered(wanted(), |forged| {
            forged.key = Some(&of.name().key);
            (forged.seq, forged.value) = (Some(seq), Some(value));
            forged.signature = Some(signature);
        });
        assert!(is_nothing(&events), "another {what}: {events:?}");
    }
    let events = answered(wanted(), |good| {
        good.key = Some(&item.name().key);
        (good.seq, good.value) = (Some(5), Some(item.value()));
        good.signature = Some(item.signature());
    });
    assert_eq!(found(&events), Some(&Item::Mutable(item.clone())));
}
