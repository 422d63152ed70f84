//! A datagram of the DHT: what is understood of it comes out in canonical form, and is understood as
//! the same.

use bt_bencoding::{Document, Limits, Strict};
use bt_dht::{
    Family,
    wire::{self, Body, Contacts, Message, Method, Query},
};

/// Takes the bytes as they are.
pub fn run(data: &[u8]) {
    // Compact nodes may stand anywhere.
    for family in [Family::V4, Family::V6] {
        for contact in Contacts::new(data, family).iter() {
            let mut out = Vec::new();
            wire::push_contact(&mut out, &contact);
            assert_eq!(Contacts::new(&out, family).iter().next(), Some(contact));
        }
    }
    let Ok(message) = wire::decode(data) else {
        return;
    };
    let mut out = Vec::new();
    wire::encode(&message, &mut out);
    let again = wire::decode(&out).expect("our own message");
    let is_unknown = |message: &Message<'_>| {
        let Body::Query(Query { method, .. }) = &message.body else {
            return false;
        };
        matches!(method, Method::Unknown { .. })
    };
    if !is_unknown(&message) {
        assert_eq!(again, message);
    }
    let mut twice = Vec::new();
    wire::encode(&again, &mut twice);
    assert_eq!(out, twice);
    if !carries_value(&message) {
        Document::<Strict>::parse(&out, Limits::default()).expect("canonical form");
    }
}

/// What somebody else's item looks like inside is his business.
fn carries_value(message: &Message<'_>) -> bool {
    match &message.body {
        Body::Query(query) => matches!(query.method, Method::Put { .. }),
        Body::Response(response) => response.value.is_some(),
        Body::Error(_) => false,
    }
}
