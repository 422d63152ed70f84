use bt_types::{InfoHash, InfoHashV2};
use proptest::prelude::*;

use super::*;
use crate::{InfoBuilder, MetainfoBuilder};

const V1: &str = "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd";

fn parsed(parameters: &str) -> MagnetLink {
    let link = format!("magnet:?xt=urn:btih:{V1}{parameters}");
    link.parse().unwrap()
}

fn error(link: &str) -> MagnetError {
    link.parse::<MagnetLink>().unwrap_err()
}

/// The forms of libtorrent's test_magnet.cpp.
#[test]
fn hashes_of_every_form() {
    let v1 = TorrentIds::v1_only(InfoHash([0xcd; 20]));
    let v2 = InfoHashV2([0xcd; 32]);
    let hex = "cd".repeat(32);
    for (link, ids) in [
        (format!("magnet:?xt=urn:btih:{V1}"), v1),
        (format!("MAGNET:?XT=urn:btih:{}", V1.to_uppercase()), v1),
        (format!("magnet:?xt=urn%3Abtih%3A{V1}"), v1),
        (format!("magnet:?xt=urn:btih:{}%64", &V1[..39]), v1),
        (format!("magnet:?\"foo=bar&xt=urn:btih:{V1}"), v1),
        (format!("magnet:?xt.1=urn:sha1:x&xt.2=urn:btih:{V1}"), v1),
        (
            format!(" magnet:?dn=x&amp;xt=urn:btih:{V1}&xt=urn:btih:{V1}\n"),
            v1,
        ),
        (
            format!("magnet:?xt=urn:btmh:1220{hex}"),
            TorrentIds::v2_only(v2),
        ),
        (
            format!("magnet:?xt=urn:btih:{V1}&xt=urn:btmh:1220{hex}"),
            TorrentIds::hybrid(InfoHash([0xcd; 20]), v2),
        ),
    ] {
        let found = link.parse::<MagnetLink>().map(|link| link.ids);
        assert_eq!(found, Ok(ids), "{link}");
    }
    for base32 in [
        "MFRGCYTBMJQWEYLCMFRGCYTBMJQWEYLC",
        "mfrgcytbmjqweylcmfrgcytbmjqweylc",
    ] {
        let link: MagnetLink = format!("magnet:?xt=urn:btih:{base32}").parse().unwrap();
        assert_eq!(link.ids.v1(), Some(InfoHash(*b"abababababababababab")));
    }
}

#[test]
fn what_leads_to_no_torrent_is_named() {
    for link in ["", "magnet:", "http://t/", "magnet:xt=urn:btih:", V1, "ü"] {
        assert_eq!(error(link), MagnetError::NoMagnet, "{link}");
    }
    for link in [
        "magnet:?",
        "magnet:?xt=blah",
        "magnet:?xt=urn:ed2k:x",
        "magnet:?dn=x&xt",
    ] {
        assert_eq!(error(link), MagnetError::NoHash, "{link}");
    }
    for (hash, length) in [
        ("", 0),
        ("abababab", 8),
        ("ababababababababababab", 22),
        (" abababababababababababababababababababab", 41),
        ("zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", 40),
        ("11111111111111111111111111111111", 32),
    ] {
        let link = format!("magnet:?xt=urn:btih:{hash}");
        assert_eq!(error(&link), MagnetError::InvalidV1 { length }, "{link}");
    }
    let v2 = |hash: &str| error(&format!("magnet:?xt=urn:btmh:{hash}"));
    assert!(matches!(v2("1220cd"), MagnetError::InvalidV2(_)));
    let zs = format!("1220{}", "z".repeat(64));
    assert!(matches!(v2(&zs), MagnetError::InvalidV2(_)));
    let other = format!("1221{}", "cd".repeat(32));
    assert_eq!(v2(&other), MagnetError::OtherMultihash);
    let two = format!("magnet:?xt=urn:btih:{V1}&xt=urn:btih:{}", "0".repeat(40));
    assert_eq!(error(&two), MagnetError::TwoTorrents);
    let long = format!(
        "magnet:?xt=urn:btih:{V1}&dn={}",
        "a".repeat(MAX_LINK_LENGTH)
    );
    assert_eq!(error(&long), MagnetError::TooLong(long.len()));
}

#[test]
fn hints_of_every_kind() {
    let link = parsed(
        "&dN=foo%20bar&Ws=http://foo.com/bar&tr=udp%3A%2F%2Fa%3A1&tr.1=http://b/announce?x=y\
         &tr.2=udp://a:1&tr=file:///etc/passwd&as=http://c&kt=words&x.pe=127.0.0.1:43\
         &x.pe=invalid&x.pe=[::1]:45&x.pe=peer.example:46&x.pe=a:0&x.pe=::1:4&x.pe=%5B::2%5D:47",
    );
    assert_eq!(link.name.as_deref(), Some("foo bar"));
    assert_eq!(link.web_seeds, ["http://foo.com/bar"]);
    assert_eq!(link.trackers, ["udp://a:1", "http://b/announce?x=y"]);
    let peers = [
        ("127.0.0.1", 43),
        ("::1", 45),
        ("peer.example", 46),
        ("::2", 47),
    ];
    assert_eq!(
        link.peers,
        peers.map(|(host, port)| (host.to_owned(), port))
    );
    assert_eq!(parsed(""), MagnetLink::new(link.ids));
}

#[test]
fn names_are_safe_to_write() {
    for (text, name) in [
        ("a+b%2Bc", Some("a b+c")),
        ("..%2F..%2Fetc", Some("....etc")),
        ("%1b[2J", Some("_[2J")),
        ("%ff", Some("_")),
        ("100%", Some("100%")),
        ("con", Some("_con")),
        ("", None),
    ] {
        assert_eq!(
            parsed(&format!("&dn={text}")).name.as_deref(),
            name,
            "{text}"
        );
    }
    assert_eq!(
        parsed("&dn=&dn=first&dn=second").name.as_deref(),
        Some("first")
    );
}

/// BEP 53's example, and libtorrent's.
#[test]
fn files_are_chosen_by_their_index() {
    let files = |so: &str| parsed(&format!("&so={so}")).files;
    assert_eq!(files("0,2,4,6-8"), [0..=0, 2..=2, 4..=4, 6..=8]);
    assert_eq!(files("0,2,4-6"), [0..=0, 2..=2, 4..=6]);
    assert_eq!(files("9,1,2-4,3,5"), [1..=5, 9..=9]);
    assert_eq!(files("0-4294967295,7"), [0..=u32::MAX]);
    assert_eq!(files("3&so=5%2C4"), [3..=5]);
    for nothing in ["", "a", "-3", "5-", "7-4", ",", "+1", "4294967296", "1-2-3"] {
        assert!(files(nothing).is_empty(), "{nothing}");
    }
    assert_eq!(files("a,1"), [1..=1]);
}

#[test]
fn a_link_has_bounds() {
    let repeat = |form: &str, count: usize| {
        let all: String = (1..=count)
            .map(|n| form.replace('#', &n.to_string()))
            .collect();
        parsed(&all)
    };
    assert_eq!(repeat("&tr=udp://t:#", 1000).trackers.len(), 100);
    assert_eq!(repeat("&ws=http://t/#", 1000).web_seeds.len(), 50);
    assert_eq!(
        repeat("&x.pe=victim.example:#", 1000).peers.len(),
        MAX_PEERS
    );
    let odd: String = (0..2000).map(|n| format!("{},", 2 * n)).collect();
    assert_eq!(parsed(&format!("&so={odd}")).files.len(), MAX_RANGES);
    assert!(
        parsed(&format!("&dn={}", "a".repeat(5000)))
            .name
            .unwrap()
            .len()
            <= 240
    );
}

#[test]
fn what_has_a_meaning_in_a_link_is_escaped() {
    let info = InfoBuilder::new("100% &=+# é", 16_384).single_file(1);
    let torrent = MetainfoBuilder::new(info.pieces([[0; 20]]).encode())
        .tier(["udp://a.example:1/x?k=v&l", "udp://b.example:2"])
        .tier(["udp://c.example:3"])
        .web_seed("http://d.example/e/");
    let metainfo = Metainfo::from_bytes(&torrent.encode()).unwrap();
    let link = metainfo.magnet_link();
    let (_, behind_id) = link.split_once("&dn=").unwrap();
    let parts: Vec<_> = behind_id.split('&').collect();
    let expected = [
        "100%25%20%26%3D%2B%23%20%C3%A9",
        "tr=udp%3A%2F%2Fa.example%3A1%2Fx%3Fk%3Dv%26l",
        "tr=udp%3A%2F%2Fb.example%3A2",
        "tr=udp%3A%2F%2Fc.example%3A3",
        "ws=http%3A%2F%2Fd.example%2Fe%2F",
    ];
    assert_eq!(parts, expected);
    assert_eq!(link.parse(), Ok(metainfo.magnet()));
}

#[test]
fn a_v2_torrent_is_named_by_a_multihash() {
    let tree = "9:file treed1:ad0:d6:lengthi1e11:pieces root32:";
    let info = [
        b"d".as_slice(),
        tree.as_bytes(),
        &[1; 32],
        b"eee12:meta versioni2e4:name1:a12:piece lengthi16384ee",
    ]
    .concat();
    let torrent = [b"d4:info", &info[..], b"e"].concat();
    let metainfo = Metainfo::from_bytes(&torrent).unwrap();
    let v2 = metainfo.info().ids().v2().unwrap();
    let expected = format!("magnet:?xt=urn:btmh:1220{v2}&dn=a");
    assert_eq!(metainfo.magnet_link(), expected);
}

fn ids() -> impl Strategy<Value = TorrentIds> {
    any::<([u8; 20], [u8; 32], u8)>().prop_map(|(v1, v2, kind)| {
        let (v1, v2) = (InfoHash(v1), InfoHashV2(v2));
        match kind % 3 {
            0 => TorrentIds::v1_only(v1),
            1 => TorrentIds::v2_only(v2),
            _ => TorrentIds::hybrid(v1, v2),
        }
    })
}

prop_compose! {
    fn link()(
        ids in ids(), name in ".{0,20}",
        trackers in proptest::collection::hash_set("(udp|http|wss)://[a-z]{1,5}/[!-~é]{0,10}", 0..4),
        web_seeds in proptest::collection::hash_set("https?://[a-z]{1,5}/[!-~é]{0,10}", 0..4),
        peers in proptest::collection::hash_set(("[a-z0-9.é%&-]{1,8}|::[1-9a-f]", 1_u16..), 0..4),
        so in "[0-9,-]{0,20}",
    ) -> MagnetLink {
        let text = |name: &str| (!name.is_empty()).then(|| {
            let mut safe = String::new();
            crate::name::sanitise(name.as_bytes(), &mut safe);
            safe
        });
        let mut files = Vec::new();
        files::parse(&so, &mut files);
        MagnetLink {
            ids, name: text(&name), trackers: trackers.into_iter().collect(),
            web_seeds: web_seeds.into_iter().collect(), peers: peers.into_iter().collect(), files,
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_as_the_same(link in link()) {
        let text = link.to_string();
        prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
        prop_assert_eq!(text.parse(), Ok(link));
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,80}", hints in "(&(dn|tr|ws|x.pe|so)=.{0,20}){0,5}") {
        let _ = text.parse::<MagnetLink>();
        let link = parsed(&hints);
        prop_assert_eq!(link.to_string().parse(), Ok(link));
    }
}
