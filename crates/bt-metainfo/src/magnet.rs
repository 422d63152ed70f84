use std::fmt::Write;

use crate::Metainfo;

impl Metainfo {
    /// A magnet link that leads to this torrent: its ids, its name, its trackers and web seeds
    /// (BEP 9, "magnet URI format").
    ///
    /// ```
    /// use bt_metainfo::{InfoBuilder, Metainfo, MetainfoBuilder};
    ///
    /// let info = InfoBuilder::new("two words", 16_384).single_file(1).pieces([[0; 20]]);
    /// let torrent = MetainfoBuilder::new(info.encode()).tier(["udp://t.example:80"]);
    /// let metainfo = Metainfo::from_bytes(&torrent.encode())?;
    /// assert_eq!(
    ///     metainfo.magnet_link(),
    ///     "magnet:?xt=urn:btih:3500e2c09d43f2d6e989eb9c7ba901d07d27abcb\
    ///      &dn=two%20words&tr=udp%3A%2F%2Ft.example%3A80"
    /// );
    /// # Ok::<(), bt_metainfo::MetainfoError>(())
    /// ```
    #[must_use]
    pub fn magnet_link(&self) -> String {
        let ids = self.info().ids();
        let mut link = "magnet:?".to_owned();
        if let Some(v1) = ids.v1() {
            push(&mut link, "xt=urn:btih:", &v1.to_string());
        }
        if let Some(v2) = ids.v2() {
            push(
                &mut link,
                "xt=urn:btmh:",
                &format!("{SHA_256_MULTIHASH}{v2}"),
            );
        }
        push(&mut link, "dn=", self.info().name());
        for url in self.tiers().iter().flatten() {
            push(&mut link, "tr=", url);
        }
        for url in self.web_seeds() {
            push(&mut link, "ws=", url);
        }
        link
    }
}

fn push(link: &mut String, key: &str, value: &str) {
    if !link.ends_with('?') {
        link.push('&');
    }
    link.push_str(key);
    for byte in value.bytes() {
        // RFC 3986, section 2.3: what never needs to be escaped.
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            link.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(link, "%{byte:02X}");
        }
    }
}

/// That 32 bytes of SHA-256 follow (BEP 9 and 52 write v2 ids as multihashes).
const SHA_256_MULTIHASH: &str = "1220";

#[cfg(test)]
mod tests {
    use crate::{InfoBuilder, Metainfo, MetainfoBuilder};

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
}
