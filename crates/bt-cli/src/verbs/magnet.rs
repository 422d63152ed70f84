use bt_metainfo::{MagnetLink, Metainfo};
use serde::Serialize;

use crate::{arguments::Magnet, exit::Failure, json, logging, stdout, torrent_file};

pub(crate) fn run(magnet: &Magnet) -> Result<(), Failure> {
    let metainfo = torrent_file::read(&magnet.torrent)?;
    let link = link(&metainfo, magnet.bare);
    if metainfo.info().is_private() && !link.trackers.is_empty() {
        logging::tell(
            "the torrent is private, and its trackers are in the link; --bare leaves them out",
        );
    }
    let ids = metainfo.info().ids();
    let made = Made {
        torrent: magnet.torrent.to_string_lossy().into_owned(),
        info_hash: ids.v1().map(|hash| hash.to_string()),
        info_hash_v2: ids.v2().map(|hash| hash.to_string()),
        magnet: link.to_string(),
    };
    stdout::print(|out| match magnet.json {
        true => json::write(out, &made),
        false => writeln!(out, "{}", made.magnet),
    })
    .map(|_| ())
}

fn link(metainfo: &Metainfo, bare: bool) -> MagnetLink {
    let whole = metainfo.magnet();
    match bare {
        true => MagnetLink {
            name: whole.name,
            ..MagnetLink::new(whole.ids)
        },
        false => whole,
    }
}

/// The keys are stable, and documented in the help.
#[derive(Debug, Serialize)]
struct Made {
    torrent: String,
    info_hash: Option<String>,
    info_hash_v2: Option<String>,
    magnet: String,
}

#[cfg(test)]
mod tests {
    use bt_metainfo::{InfoBuilder, MetainfoBuilder};

    use super::*;

    #[test]
    fn a_bare_link_says_only_which_torrent() {
        let info = InfoBuilder::new("a", 16_384)
            .single_file(1)
            .pieces([[0; 20]]);
        let torrent = MetainfoBuilder::new(info.encode()).tier(["udp://t:1"]);
        let metainfo = Metainfo::from_bytes(&torrent.encode()).unwrap();
        let v1 = metainfo.info().ids().v1().unwrap();
        assert_eq!(
            link(&metainfo, true).to_string(),
            format!("magnet:?xt=urn:btih:{v1}&dn=a")
        );
        assert!(
            link(&metainfo, false)
                .to_string()
                .ends_with("&tr=udp%3A%2F%2Ft%3A1")
        );
    }

    #[test]
    fn every_key_is_in_the_help() {
        let made = Made {
            torrent: String::new(),
            info_hash: None,
            info_hash_v2: None,
            magnet: String::new(),
        };
        let made = serde_json::to_value(made).unwrap();
        let mut bt = crate::command();
        let help = bt.find_subcommand_mut("magnet").unwrap().render_long_help();
        let help = help.to_string();
        for key in made.as_object().unwrap().keys() {
            assert!(help.contains(key.as_str()), "{key}");
        }
    }
}
