//! Which client a peer id tells of (BEP 20).

use crate::PeerId;

impl PeerId {
    /// The client and its version, as far as the id tells: `qBittorrent 4.5.2`. In the style of
    /// Azureus (`-qB4520-…`), of the mainline client (`M7-9-2-…`) or of Shadow (`T03I-----…`).
    ///
    /// At most 40 characters and fit to be shown, whatever the peer has sent. It may be a lie; what a
    /// peer calls itself in words (BEP 10, `v`) is mostly more exact.
    ///
    /// ```
    /// use bt_types::PeerId;
    /// let client = PeerId(*b"-TR4060-abcdefghijkl").client();
    /// assert_eq!(client.as_deref(), Some("Transmission 4.0.6"));
    /// assert_eq!(PeerId([0; 20]).client(), None);
    /// ```
    #[must_use]
    pub fn client(&self) -> Option<String> {
        let id = &self.0;
        azureus(id).or_else(|| mainline(id)).or_else(|| shadow(id))
    }
}

/// How four characters are a version.
#[derive(Clone, Copy)]
enum Version {
    /// Each is a number, letters from ten on; zeros at the end are left out, as is what only tells
    /// the kind of build.
    Parts,
    /// Two numbers of two digits.
    Pairs,
    /// As Transmission does: 2.94, then 4.0.6; a `Z` is a build between two versions.
    Transmission,
}

/// `-`, two characters for the client, four for the version, `-`.
fn azureus(id: &[u8; 20]) -> Option<String> {
    let [b'-', a, b, version @ .., b'-'] = &id[..8] else {
        return None;
    };
    let code = [*a, *b];
    let version: &[u8; 4] = version.try_into().ok()?;
    let is_fit = |byte: &u8| byte.is_ascii_alphanumeric();
    if !code.iter().all(|byte| is_fit(byte) || *byte == b'~') || !version.iter().all(is_fit) {
        return None;
    }
    let known = AZUREUS.iter().find(|(known, ..)| **known == code);
    let (name, style) = match known {
        Some(&(_, name, style)) => (name.to_owned(), style),
        None => (code.map(char::from).iter().collect(), Version::Parts),
    };
    Some(format!("{name} {}", style.show(version)))
}

impl Version {
    fn show(self, version: &[u8; 4]) -> String {
        let [a, b, c, d] = version.map(number);
        let is_build = version[3].is_ascii_alphabetic();
        match self {
            Self::Pairs => format!("{}.{}", a * 10 + b, c * 10 + d),
            Self::Transmission => {
                let plus = if is_build { "+" } else { "" };
                match a {
                    0..4 => format!("{a}.{b}{c}{plus}"),
                    _ => format!("{a}.{b}.{c}{plus}"),
                }
            }
            Self::Parts if d == 0 || is_build => format!("{a}.{b}.{c}"),
            Self::Parts => format!("{a}.{b}.{c}.{d}"),
        }
    }
}

/// A letter or two, and numbers with `-` behind each; a further `-` ends them.
fn mainline(id: &[u8; 20]) -> Option<String> {
    let (prefix, name) = MAINLINE
        .iter()
        .find(|(prefix, _)| id.starts_with(prefix.as_bytes()))?;
    let mut parts = Vec::new();
    for part in id[prefix.len()..].split(|&byte| byte == b'-').take(3) {
        let is_number = (1..=3).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
        if !is_number {
            break;
        }
        parts.push(
            part.iter()
                .map(|&digit| char::from(digit))
                .collect::<String>(),
        );
    }
    (parts.len() == 3).then(|| format!("{name} {}", parts.join(".")))
}

/// A letter, up to five characters for the version, filled up with `-`, and three more `-`.
fn shadow(id: &[u8; 20]) -> Option<String> {
    let name = SHADOW.iter().find(|(letter, _)| *letter == id[0])?.1;
    let digits = id[1..6].iter().take_while(|&&byte| byte != b'-').count();
    let (version, filling) = id[1..9].split_at(digits);
    let is_shadow = digits > 0
        && version.iter().all(u8::is_ascii_alphanumeric)
        && filling.iter().all(|&byte| byte == b'-');
    let parts: Vec<_> = version
        .iter()
        .map(|&part| number(part).to_string())
        .collect();
    is_shadow.then(|| format!("{name} {}", parts.join(".")))
}

/// Digits are themselves; letters of either case go on from ten, as clients have both.
fn number(character: u8) -> u32 {
    char::from(character).to_digit(36).unwrap_or(0)
}

/// Those that are met, and those that everybody knows; others are called by their letters.
const AZUREUS: &[(&[u8; 2], &str, Version)] = &[
    (b"7T", "aTorrent", Version::Parts),
    (b"AG", "Ares", Version::Parts),
    (b"AR", "Arctic", Version::Parts),
    (b"AZ", "Vuze", Version::Parts),
    (b"BC", "BitComet", Version::Pairs),
    (b"BI", "BiglyBT", Version::Parts),
    (b"BT", "BitTorrent", Version::Parts),
    (b"CD", "Enhanced CTorrent", Version::Pairs),
    (b"CT", "CTorrent", Version::Parts),
    (b"DE", "Deluge", Version::Parts),
    (b"FC", "FileCroc", Version::Parts),
    (b"FD", "Free Download Manager", Version::Parts),
    (b"FG", "FlashGet", Version::Pairs),
    (b"FL", "Flud", Version::Parts),
    (b"HL", "Halite", Version::Parts),
    (b"KG", "KGet", Version::Parts),
    (b"KT", "KTorrent", Version::Parts),
    (b"LH", "LH-ABC", Version::Parts),
    (b"LP", "Lphant", Version::Pairs),
    (b"LT", "libtorrent", Version::Parts),
    (b"LW", "LimeWire", Version::Parts),
    (b"MO", "MonoTorrent", Version::Parts),
    (b"PI", "PicoTorrent", Version::Parts),
    (b"SD", "Xunlei", Version::Parts),
    (b"TL", "Tribler", Version::Parts),
    (b"TR", "Transmission", Version::Transmission),
    (b"UM", "\u{b5}Torrent Mac", Version::Parts),
    (b"UT", "\u{b5}Torrent", Version::Parts),
    (b"UW", "\u{b5}Torrent Web", Version::Parts),
    (b"WD", "WebTorrent Desktop", Version::Pairs),
    (b"WW", "WebTorrent", Version::Pairs),
    (b"XL", "Xunlei", Version::Parts),
    (b"bt", "bt", Version::Parts),
    (b"lt", "libTorrent", Version::Parts),
    (b"qB", "qBittorrent", Version::Parts),
    (b"rQ", "rqbit", Version::Parts),
];
const MAINLINE: &[(&str, &str)] = &[("A2-", "aria2"), ("M", "BitTorrent"), ("Q", "Queen Bee")];
const SHADOW: &[(u8, &str)] = &[
    (b'A', "ABC"),
    (b'O', "Osprey Permaseed"),
    (b'Q', "BTQueue"),
    (b'R', "Tribler"),
    (b'S', "Shadow"),
    (b'T', "BitTornado"),
    (b'U', "UPnP NAT BitTorrent"),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(begins: &[u8], expected: Option<&str>) {
        let mut id = [b'x'; 20];
        id[..begins.len()].copy_from_slice(begins);
        assert_eq!(PeerId(id).client().as_deref(), expected);
    }

    /// As these clients call themselves.
    #[test]
    fn well_known_clients() {
        for (begins, expected) in [
            ("-qB4520-", "qBittorrent 4.5.2"),
            ("-qB5112-", "qBittorrent 5.1.1.2"),
            ("-TR2940-", "Transmission 2.94"),
            ("-TR3000-", "Transmission 3.00"),
            ("-TR300Z-", "Transmission 3.00+"),
            ("-TR4060-", "Transmission 4.0.6"),
            ("-TR410Z-", "Transmission 4.1.0+"),
            ("-LT20F0-", "libtorrent 2.0.15"),
            ("-LT2110-", "libtorrent 2.1.1"),
            ("-lt0D80-", "libTorrent 0.13.8"),
            ("-DE2110-", "Deluge 2.1.1"),
            ("-DE211s-", "Deluge 2.1.1"),
            ("-UT355W-", "µTorrent 3.5.5"),
            ("-BT7a5S-", "BitTorrent 7.10.5"),
            ("-AZ5770-", "Vuze 5.7.7"),
            ("-BI3500-", "BiglyBT 3.5.0"),
            ("-BC0190-", "BitComet 1.90"),
            ("-WW0203-", "WebTorrent 2.3"),
            ("-KT5110-", "KTorrent 5.1.1"),
            ("-XL0012-", "Xunlei 0.0.1.2"),
            ("-rQ9010-", "rqbit 9.0.1"),
            ("-bt0100-", "bt 0.1.0"),
            ("-ZZ1234-", "ZZ 1.2.3.4"),
            ("A2-1-36-0-", "aria2 1.36.0"),
            ("A2-1-4-14-", "aria2 1.4.14"),
            ("M7-9-2--", "BitTorrent 7.9.2"),
            ("M4-20-8-", "BitTorrent 4.20.8"),
            ("Q1-10-0-", "Queen Bee 1.10.0"),
            ("S58B-----", "Shadow 5.8.11"),
            ("T03I-----", "BitTornado 0.3.18"),
        ] {
            check(begins.as_bytes(), Some(expected));
        }
    }

    #[test]
    fn what_tells_nothing_is_no_client() {
        for begins in [
            &b"-qB45\x1b0-"[..],
            b"-q\n4520-",
            b"-qB4520x",
            b"M7-9-xx-",
            b"M--------",
            b"A2-1-36-",
            b"T03I----x",
            b"T--------",
            b"\0\0\0\0",
        ] {
            check(begins, None);
        }
    }

    proptest! {
        #[test]
        fn whatever_a_stranger_sends_is_short_and_fit_to_be_shown(id: [u8; 20]) {
            if let Some(client) = PeerId(id).client() {
                prop_assert!(client.chars().count() <= 40);
                prop_assert!(client.chars().all(|letter| !letter.is_control()));
            }
        }
    }
}
