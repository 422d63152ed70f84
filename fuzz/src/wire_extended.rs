//! Payloads of extended messages: what is accepted stays within its bounds, and means the same
//! after it has been written in our form.

use bt_wire::{ExtendedHandshake, ExtendedMessage, Extension};

/// The first byte chooses the extension, or the handshake; the others are the payload.
pub fn run(data: &[u8]) {
    let Some((&choice, payload)) = data.split_first() else {
        return;
    };
    match Extension::ALL.get(usize::from(choice)) {
        Some(extension) => check_message(*extension, payload),
        None => check_handshake(payload),
    }
}

fn check_message(extension: Extension, payload: &[u8]) {
    let Ok(message) = ExtendedMessage::decode(extension, payload) else {
        return;
    };
    assert_eq!(message.extension(), extension);
    if let ExtendedMessage::Pex(pex) = &message {
        assert!(pex.added.len() <= 100 && pex.dropped.len() <= 100);
    }
    let mut again = Vec::new();
    message.encode(&mut again);
    assert_eq!(ExtendedMessage::decode(extension, &again), Ok(message));
}

fn check_handshake(payload: &[u8]) {
    let Ok(handshake) = ExtendedHandshake::decode(payload) else {
        return;
    };
    assert!(handshake.port != Some(0) && handshake.metadata_size != Some(0));
    assert!(handshake.reqq.is_none_or(|reqq| (1..=2000).contains(&reqq)));
    let client = handshake.client.as_deref();
    assert!(client.is_none_or(|name| (1..=64).contains(&name.chars().count())));
    for extension in Extension::ALL {
        if let Some(id) = handshake.ids.get(extension) {
            assert_eq!(handshake.ids.find(id.get()), Some(extension));
        }
    }
    let mut ids = handshake.ids;
    ids.update(handshake.ids);
    assert_eq!(ids, handshake.ids, "saying it again changes nothing");

    let mut again = Vec::new();
    handshake.encode(&mut again);
    assert_eq!(ExtendedHandshake::decode(&again), Ok(handshake));
}
