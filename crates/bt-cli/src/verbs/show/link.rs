use std::{
    io::{self, Write},
    path::Path,
};

use bt_metainfo::MagnetLink;
use serde::Serialize;

use super::{people::write_row, shown::Format};

/// What a magnet link says by itself. The keys are stable, and documented in the help; they are
/// those of a torrent where they mean the same.
#[derive(Debug, Serialize)]
pub(super) struct ShownLink {
    /// As it was given.
    torrent: String,
    name: Option<String>,
    format: Format,
    info_hash: Option<String>,
    info_hash_v2: Option<String>,
    /// Each is a tier of its own.
    trackers: Vec<Vec<String>>,
    web_seeds: Vec<String>,
    peers: Vec<String>,
    /// First and last of each range.
    wanted_files: Vec<(u32, u32)>,
    /// As bt writes it.
    magnet: String,
}

impl ShownLink {
    pub(super) fn of(source: &Path, link: MagnetLink) -> Self {
        Self {
            torrent: source.to_string_lossy().into_owned(),
            format: Format::of(link.ids),
            info_hash: link.ids.v1().map(|hash| hash.to_string()),
            info_hash_v2: link.ids.v2().map(|hash| hash.to_string()),
            magnet: link.to_string(),
            name: link.name,
            trackers: link.trackers.into_iter().map(|url| vec![url]).collect(),
            web_seeds: link.web_seeds,
            peers: link.peers.iter().map(super::shown::authority).collect(),
            wanted_files: link
                .files
                .iter()
                .map(|range| (*range.start(), *range.end()))
                .collect(),
        }
    }

    pub(super) fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        let wanted: Vec<_> = self
            .wanted_files
            .iter()
            .map(|(first, last)| match first == last {
                true => first.to_string(),
                false => format!("{first}-{last}"),
            })
            .collect();
        let wanted = (!wanted.is_empty()).then(|| wanted.join(","));
        let rows = [
            ("name", self.name.as_deref()),
            ("info hash", self.info_hash.as_deref()),
            ("info hash v2", self.info_hash_v2.as_deref()),
            ("wanted files", wanted.as_deref()),
        ];
        for (label, value) in rows {
            if let Some(value) = value {
                write_row(out, label, value)?;
            }
        }
        for url in self.trackers.iter().flatten() {
            write_row(out, "tracker", url)?;
        }
        for url in &self.web_seeds {
            write_row(out, "web seed", url)?;
        }
        for peer in &self.peers {
            write_row(out, "peer", peer)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn link() -> ShownLink {
        let link = format!(
            "magnet:?xt=urn:btih:{}&dn=a+b&tr=udp://t:1&ws=http://w/&x.pe=[::1]:6881&so=0,2-4",
            "CD".repeat(20)
        );
        ShownLink::of(Path::new(&link), link.parse().unwrap())
    }

    #[test]
    fn the_form_is_stable_and_in_the_help() {
        let link = link();
        let hash = "cd".repeat(20);
        let shown = serde_json::to_value(&link).unwrap();
        let expected = json!({
            "torrent": link.torrent,
            "name": "a b",
            "format": "v1",
            "info_hash": hash,
            "info_hash_v2": null,
            "trackers": [["udp://t:1"]],
            "web_seeds": ["http://w/"],
            "peers": ["[::1]:6881"],
            "wanted_files": [[0, 0], [2, 4]],
            "magnet": format!(
                "magnet:?xt=urn:btih:{hash}&dn=a%20b&tr=udp%3A%2F%2Ft%3A1&ws=http%3A%2F%2Fw%2F\
                 &x.pe=[::1]:6881&so=0,2-4"
            ),
        });
        assert_eq!(shown, expected);
        let mut bt = crate::command();
        let help = bt.find_subcommand_mut("show").unwrap().render_long_help();
        let help = help.to_string();
        for key in shown.as_object().unwrap().keys() {
            assert!(help.contains(key.as_str()), "{key}");
        }
    }

    #[test]
    fn people_see_what_it_says() {
        let mut out = Vec::new();
        link().write_for_people(&mut out).unwrap();
        let expected = "\
name          a b
info hash     cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd
wanted files  0,2-4
tracker       udp://t:1
web seed      http://w/
peer          [::1]:6881
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
