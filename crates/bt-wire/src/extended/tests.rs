use proptest::prelude::*;

use super::*;
use crate::{Decoded, Decoder, Limits, tests::unhex};

#[test]
fn golden_handshake() {
    let ids = ExtensionIds::default()
        .with(Extension::DontHave, 7)
        .with(Extension::Holepunch, 4)
        .with(Extension::Metadata, 2)
        .with(Extension::Pex, 1);
    let handshake = ExtendedHandshake {
        ids,
        port: Some(6881),
        client: Some("demo 0.1".to_owned()),
        your_ip: Some([192, 0, 2, 1].into()),
        ipv4: None,
        ipv6: None,
        reqq: Some(500),
        metadata_size: Some(31_235),
        upload_only: Some(true),
        prefers_encryption: None,
    };
    let bytes = unhex(
        "0000009f140064313a6d6431313a6c745f646f6e746861766569376531323a75745f686f6c6570756e6368\
         69346531313a75745f6d65746164617461693265363a75745f7065786931656531333a6d65746164617461\
         5f73697a6569333132333565313a70693638383165343a72657171693530306531313a75706c6f61645f6f\
         6e6c79693165313a76383a64656d6f20302e31363a796f75726970343ac000020165",
    );
    let mut encoded = Vec::new();
    handshake.to_message().encode(&mut encoded);
    assert_eq!(encoded, bytes);
    assert_eq!(ExtendedHandshake::decode(&bytes[6..]), Ok(handshake));
}

/// The two examples of BEP 10, as libtorrent corrected them.
#[test]
fn bep_10() {
    let example = b"d1:md11:LT_metadatai1e6:ut_pexi2ee1:pi6881e1:v12:uTorrent 1.2e";
    let expected = ExtendedHandshake {
        ids: ExtensionIds::default().with(Extension::Pex, 2),
        port: Some(6881),
        client: Some("uTorrent 1.2".to_owned()),
        ..Default::default()
    };
    assert_eq!(ExtendedHandshake::decode(example), Ok(expected));

    let mut ids = ExtensionIds::default().with(Extension::Metadata, 1);
    let later = ExtendedHandshake::decode(b"d1:md11:ut_metadatai0eee").unwrap();
    ids.update(later.ids);
    assert_eq!(ids.get(Extension::Metadata), None);
    assert_eq!(ids.find(0), None);
}

/// Each key by itself: what is wrong with one says nothing about the others.
#[test]
fn nonsense_in_one_key_spares_the_others() {
    let good = ExtendedHandshake {
        upload_only: Some(true),
        ..Default::default()
    };
    for nonsense in [
        "1:m0:",
        "1:mi7e",
        "1:mle",
        "1:md6:ut_pexi256ee",
        "1:md6:ut_pexi-1ee",
        "1:md6:ut_pex1:1e",
        "1:md6:ut_pexd1:xi1eee",
        "1:pi0e",
        "1:pi70000e",
        "1:p4:6881",
        "4:reqqi0e",
        "4:reqqi-5e",
        "4:reqq3:500",
        "13:metadata_sizei0e",
        "13:metadata_sizei4294967296e",
        "13:metadata_sizei-1e",
        "1:v0:",
        "1:vi1e",
        "6:yourip3:abc",
        "6:youripi1e",
        "1:e1:1",
        "4:ipv43:abc",
        "4:ipv416:abcdabcdabcdabcd",
        "4:ipv64:abcd",
        "4:ipv6i1e",
        "12:complete_agoi60e",
    ] {
        // Unsorted, as real clients do.
        let payload = format!("d11:upload_onlyi1e{nonsense}ebehind it");
        let decoded = ExtendedHandshake::decode(payload.as_bytes());
        assert_eq!(decoded.as_ref(), Ok(&good), "{nonsense}");
    }
}

#[test]
fn values_are_clamped_and_cleaned() {
    let decode = |payload: &[u8]| ExtendedHandshake::decode(payload).unwrap();
    assert_eq!(decode(b"d4:reqqi1099511627776ee").reqq, Some(2000));
    let mapped = b"d6:yourip16:\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x01e";
    assert_eq!(decode(mapped).your_ip, Some([192, 0, 2, 1].into()));
    let both =
        decode(b"d4:ipv44:\xc0\0\x02\x014:ipv616:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01e");
    assert_eq!(both.ipv4, Some([192, 0, 2, 1].into()));
    assert_eq!(both.ipv6, "2001:db8::1".parse().ok());
    assert_eq!(
        decode(b"d1:v5:a\xff b\x80e").client.as_deref(),
        Some("a\u{fffd} b\u{fffd}")
    );
    let long = format!("d1:v300:{}e", "ä".repeat(150));
    assert_eq!(decode(long.as_bytes()).client, Some("ä".repeat(64)));
    // Two names for one number: the last wins.
    let ids = decode(b"d1:md11:ut_metadatai3e6:ut_pexi3eee").ids;
    assert_eq!(ids.find(3), Some(Extension::Pex));
    assert_eq!(ids.get(Extension::Metadata), None);
}

#[test]
fn what_is_no_dictionary_is_an_error() {
    assert_eq!(
        ExtendedHandshake::decode(b"le"),
        Err(ExtendedError::NotADictionary)
    );
    assert!(ExtendedHandshake::decode(b"").is_err());
    let deep = [&b"d1:m"[..], &b"l".repeat(100_000)].concat();
    assert!(ExtendedHandshake::decode(&deep).is_err());
    let wide = [&b"d1:vl"[..], &b"le".repeat(5_000), b"ee"].concat();
    assert!(ExtendedHandshake::decode(&wide).is_err());
}

#[test]
fn golden_metadata() {
    let request = ExtendedMessage::Metadata(MetadataMessage::Request { piece: 0 });
    let bytes = unhex("0000001b140364383a6d73675f74797065693065353a706965636569306565");
    let mut encoded = Vec::new();
    request
        .to_message(3.try_into().unwrap())
        .encode(&mut encoded);
    assert_eq!(encoded, bytes);
    check(request, b"d8:msg_typei0e5:piecei0ee");

    let data = MetadataMessage::Data {
        piece: 0,
        total_size: 3425,
        payload: b"xxxxxxxx"[..].into(),
    };
    check(
        ExtendedMessage::Metadata(data),
        b"d8:msg_typei1e5:piecei0e10:total_sizei3425eexxxxxxxx",
    );
    check(
        ExtendedMessage::Metadata(MetadataMessage::Reject { piece: 0 }),
        b"d8:msg_typei2e5:piecei0ee",
    );
}

#[test]
fn metadata_that_cannot_be_used() {
    let decode = |payload: &[u8]| ExtendedMessage::decode(Extension::Metadata, payload);
    let unknown = MetadataMessage::Unknown { msg_type: 9 };
    assert_eq!(
        decode(b"d8:msg_typei9e3:newi1ee"),
        Ok(ExtendedMessage::Metadata(unknown))
    );
    // Sizes where none belongs, and bytes behind what carries none.
    let request = MetadataMessage::Request { piece: 1 };
    assert_eq!(
        decode(b"d8:msg_typei0e5:piecei1e10:total_sizei9eebehind"),
        Ok(ExtendedMessage::Metadata(request))
    );
    for (payload, key) in [
        (&b"d5:piecei0ee"[..], "msg_type"),
        (b"d8:msg_typei0ee", "piece"),
        (b"d8:msg_typei0e5:piecei-1ee", "piece"),
        (b"d8:msg_typei2e5:piecei4294967296ee", "piece"),
        (b"d8:msg_typei1e5:piecei0ee", "total_size"),
    ] {
        assert_eq!(decode(payload), Err(ExtendedError::Key(key)));
    }
}

#[test]
fn golden_pex() {
    let reachable_seed = PexFlags::UPLOAD_ONLY.with(PexFlags::REACHABLE);
    assert!(reachable_seed.contains(PexFlags::REACHABLE));
    assert!(!reachable_seed.contains(PexFlags::SUPPORTS_UTP));
    let message = PexMessage {
        added: vec![PexPeer {
            addr: "192.0.2.1:6881".parse().unwrap(),
            flags: reachable_seed,
        }],
        dropped: vec!["198.51.100.7:51413".parse().unwrap()],
    };
    let bytes = unhex(
        "64353a6164646564363ac00002011ae1373a61646465642e66313a12363a616464656436303a383a6164646\
         564362e66303a373a64726f70706564363ac6336407c8d5383a64726f7070656436303a65",
    );
    check(ExtendedMessage::Pex(message), &bytes);
}

#[test]
fn pex_is_bounded_and_lenient() {
    let decode = |payload: &[u8]| match ExtendedMessage::decode(Extension::Pex, payload) {
        Ok(ExtendedMessage::Pex(message)) => message,
        other => panic!("{other:?}"),
    };
    // Flags of the wrong number say nothing; half an address is no address.
    let odd = decode(b"d5:added9:\xc0\0\x02\x01\x1a\xe1abc7:added.f2:\xff\xffe");
    assert_eq!(
        odd.added,
        [PexPeer {
            addr: "192.0.2.1:6881".parse().unwrap(),
            flags: PexFlags::default()
        }]
    );
    let mut flood = b"d5:added600000:".to_vec();
    flood.resize(flood.len() + 600_000, 7);
    flood.extend(b"7:dropped600000:");
    flood.resize(flood.len() + 600_000, 7);
    flood.push(b'e');
    let flood = decode(&flood);
    assert_eq!((flood.added.len(), flood.dropped.len()), (100, 100));
    assert_eq!(decode(b"d5:addedi1ee"), PexMessage::default());
}

#[test]
fn golden_holepunch() {
    let target = "192.0.2.1:6881".parse().unwrap();
    let rendezvous = HolepunchMessage::Rendezvous { target };
    check_framed(
        ExtendedMessage::Holepunch(rendezvous),
        4,
        "0000000e14040000c00002011ae100000000",
    );
    let error = HolepunchMessage::Error {
        target: "[2001:db8::1]:6881".parse().unwrap(),
        error: HolepunchError::NotConnected,
    };
    check_framed(
        ExtendedMessage::Holepunch(error),
        4,
        "0000001a1404020120010db80000000000000000000000011ae100000002",
    );
    // libtorrent's short form; a code where none belongs; bytes that nobody knows.
    for hex in [
        "0000c00002011ae1",
        "0000c00002011ae101000000",
        "0000c00002011ae100000000ffff",
    ] {
        assert_eq!(
            ExtendedMessage::decode(Extension::Holepunch, &unhex(hex)),
            Ok(ExtendedMessage::Holepunch(rendezvous))
        );
    }
    let connect = HolepunchMessage::Connect {
        peer: "1.2.3.4:42069".parse().unwrap(),
    };
    assert_eq!(
        ExtendedMessage::decode(Extension::Holepunch, &unhex("010001020304a45501000000")),
        Ok(ExtendedMessage::Holepunch(connect))
    );
}

#[test]
fn holepunch_that_cannot_be_used() {
    for (hex, error) in [
        ("", "ut_holepunch message of 0 bytes, at least 8 needed"),
        (
            "0000c00002011a",
            "ut_holepunch message of 7 bytes, at least 8 needed",
        ),
        (
            "0001c00002011ae1",
            "ut_holepunch message of 8 bytes, at least 20 needed",
        ),
        (
            "0200c00002011ae1",
            "ut_holepunch message of 8 bytes, at least 12 needed",
        ),
        ("0300c00002011ae1", "holepunch message of type 3"),
        ("0002c00002011ae1", "holepunch message with address type 2"),
    ] {
        let found = ExtendedMessage::decode(Extension::Holepunch, &unhex(hex));
        assert_eq!(found.unwrap_err().to_string(), error);
    }
}

#[test]
fn golden_small_ones() {
    check_framed(ExtendedMessage::DontHave(7), 9, "00000006140900000007");
    check_framed(ExtendedMessage::UploadOnly(true), 3, "00000003140301");
    assert!(ExtendedMessage::decode(Extension::DontHave, &[0; 3]).is_err());
    assert!(ExtendedMessage::decode(Extension::UploadOnly, &[]).is_err());
}

proptest! {
    #[test]
    fn handshakes_round_trip(handshake in handshake(), behind: Vec<u8>) {
        let mut payload = Vec::new();
        handshake.encode(&mut payload);
        payload.extend(behind);
        prop_assert_eq!(ExtendedHandshake::decode(&payload), Ok(handshake));
    }

    #[test]
    fn messages_round_trip(message in message()) {
        let mut payload = Vec::new();
        message.encode(&mut payload);
        prop_assert_eq!(ExtendedMessage::decode(message.extension(), &payload), Ok(message));
    }

    /// Whatever is accepted means the same once it has been written in our form.
    #[test]
    fn any_bytes(payload in payload()) {
        if let Ok(handshake) = ExtendedHandshake::decode(&payload) {
            let mut again = Vec::new();
            handshake.encode(&mut again);
            prop_assert_eq!(ExtendedHandshake::decode(&again), Ok(handshake));
        }
        for extension in Extension::ALL {
            if let Ok(message) = ExtendedMessage::decode(extension, &payload) {
                let mut again = Vec::new();
                message.encode(&mut again);
                prop_assert_eq!(ExtendedMessage::decode(extension, &again), Ok(message));
            }
        }
    }
}

/// Bytes of any kind, and dictionaries with the right keys and odd values.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let key = prop::sample::select(vec![
        "m",
        "p",
        "v",
        "yourip",
        "ipv4",
        "ipv6",
        "reqq",
        "metadata_size",
        "upload_only",
        "msg_type",
        "piece",
        "total_size",
        "added",
        "added.f",
        "added6",
        "dropped",
    ]);
    let integer = any::<i64>().prop_map(|value| format!("i{value}e").into_bytes());
    let small = (0_i64..3).prop_map(|value| format!("i{value}e").into_bytes());
    let bytes = prop::collection::vec(any::<u8>(), 0..40)
        .prop_map(|bytes| [format!("{}:", bytes.len()).as_bytes(), &bytes].concat());
    let m = prop::collection::vec((0..Extension::ALL.len(), any::<u8>()), 0..6).prop_map(|ids| {
        let entries = ids.into_iter().map(|(index, id)| {
            let name = Extension::ALL[index].name();
            format!("{}:{name}i{id}e", name.len())
        });
        format!("d{}e", entries.collect::<String>()).into_bytes()
    });
    let entry = (key, prop_oneof![integer, small, bytes, m])
        .prop_map(|(key, value)| [format!("{}:{key}", key.len()).as_bytes(), &value].concat());
    let dict = prop::collection::vec(entry, 0..8)
        .prop_map(|entries| [b"d", &entries.concat()[..], b"e"].concat());
    prop_oneof![1 => prop::collection::vec(any::<u8>(), 0..64), 4 => dict]
}

prop_compose! {
    fn handshake()(
        ids in prop::collection::vec((0..Extension::ALL.len(), any::<u8>()), 0..6),
        port in prop::option::of(1_u16..),
        client in prop::option::of(".{1,64}"),
        your_ip in prop::option::of(any::<[u8; 4]>()),
        ipv4 in prop::option::of(any::<[u8; 4]>()),
        ipv6 in prop::option::of(any::<[u8; 16]>()),
        reqq in prop::option::of(1_u32..=2000),
        metadata_size in prop::option::of(1_u32..),
        upload_only: Option<bool>,
        prefers_encryption: Option<bool>,
    ) -> ExtendedHandshake {
        let ids = ids
            .into_iter()
            .fold(ExtensionIds::default(), |ids, (index, id)| ids.with(Extension::ALL[index], id));
        ExtendedHandshake {
            ids,
            port,
            client,
            your_ip: your_ip.map(Into::into),
            ipv4: ipv4.map(Into::into),
            ipv6: ipv6.map(Into::into),
            reqq,
            metadata_size,
            upload_only,
            prefers_encryption,
        }
    }
}

fn message() -> impl Strategy<Value = ExtendedMessage> {
    let bytes = prop::collection::vec(any::<u8>(), 0..50);
    let data = (any::<[u32; 2]>(), bytes).prop_map(|([piece, total_size], payload)| {
        MetadataMessage::Data {
            piece,
            total_size,
            payload: payload.into(),
        }
    });
    let metadata = prop_oneof![
        any::<u32>().prop_map(|piece| MetadataMessage::Request { piece }),
        data,
        any::<u32>().prop_map(|piece| MetadataMessage::Reject { piece }),
        (3_i64..).prop_map(|msg_type| MetadataMessage::Unknown { msg_type }),
    ];
    let v4 = any::<([u8; 4], u16)>().prop_map(std::net::SocketAddr::from);
    let v6 = any::<([u8; 16], u16)>().prop_map(std::net::SocketAddr::from);
    let list = (
        prop::collection::vec(v4.clone(), 0..9),
        prop::collection::vec(v6.clone(), 0..9),
    )
        .prop_map(|(v4, v6)| [v4, v6].concat());
    let pex = (list.clone(), list, any::<u8>()).prop_map(|(added, dropped, flags)| {
        let peers = added.into_iter().enumerate();
        let added = peers.map(|(index, addr)| PexPeer {
            addr,
            flags: PexFlags(flags.wrapping_add(index as u8)),
        });
        PexMessage {
            added: added.collect(),
            dropped,
        }
    });
    let holepunch =
        (prop_oneof![v4, v6], 0..3, any::<u32>()).prop_map(|(addr, kind, code)| match kind {
            0 => HolepunchMessage::Rendezvous { target: addr },
            1 => HolepunchMessage::Connect { peer: addr },
            _ => HolepunchMessage::Error {
                target: addr,
                error: (code % 6).into(),
            },
        });
    prop_oneof![
        metadata.prop_map(ExtendedMessage::Metadata),
        pex.prop_map(ExtendedMessage::Pex),
        holepunch.prop_map(ExtendedMessage::Holepunch),
        any::<u32>().prop_map(ExtendedMessage::DontHave),
        any::<bool>().prop_map(ExtendedMessage::UploadOnly),
    ]
}

/// The payload, both ways.
fn check(message: ExtendedMessage, payload: &[u8]) {
    let mut encoded = Vec::new();
    message.encode(&mut encoded);
    assert_eq!(encoded, payload, "{message:?}");
    assert_eq!(
        ExtendedMessage::decode(message.extension(), payload),
        Ok(message)
    );
}

/// The whole message, both ways.
fn check_framed(message: ExtendedMessage, id: u8, hex: &str) {
    let bytes = unhex(hex);
    let framed = message.to_message(id.try_into().unwrap());
    let mut encoded = Vec::new();
    framed.encode(&mut encoded);
    assert_eq!(encoded, bytes, "{message:?}");
    let expected = Decoded::Message {
        message: framed,
        consumed: bytes.len(),
    };
    assert_eq!(Decoder::new(Limits::default()).decode(&bytes), Ok(expected));
    check(message, &bytes[6..]);
}
