//! What a magnet link leads to.

use bt_client::{AddTorrent, Session, SessionConfig, Snapshot, State, Then};
use bt_metainfo::{Info, MagnetLink, Metainfo, MetainfoBuilder};

use crate::{
    arguments::Show,
    exit::{Exit, Failure},
    format::{in_full, printable},
    interrupt::Interrupt,
    progress::{self, Progress},
    state_folder::state_folder,
    transfer::{self, timed_out},
};

/// Fetches the info dictionary from peers, unless it is in the state folder. The rest is what the
/// link says.
pub(super) fn fetch(show: &Show, link: &MagnetLink, quiet: bool) -> Result<Metainfo, Failure> {
    let last = transfer::block_on(follow(show, link, quiet))?;
    let Some(info) = &last.info else {
        return Err(Failure::other("the torrent ended unexpectedly"));
    };
    as_torrent(info, link)
}

async fn follow(show: &Show, link: &MagnetLink, quiet: bool) -> Result<Snapshot, Failure> {
    let mut interrupt = Interrupt::listen()?;
    let config = SessionConfig {
        listen_port: 0,
        state: state_folder(show.state.as_deref()),
        dht: show.finding.dht(),
        lsd: !show.finding.no_lsd,
        pex: !show.finding.no_pex,
        ..SessionConfig::default()
    };
    let session = Session::start(config).map_err(|error| Failure::other(in_full(&error)))?;
    let mut torrent = AddTorrent::from_link(link, ".".into(), Then::Stop);
    show.finding.add_to(&mut torrent);
    if !quiet {
        transfer::warn_if_lonely(&show.finding, &torrent);
    }
    let name = torrent.name();
    let added = session.add(torrent);
    let mut handle = added.map_err(|error| transfer::not_added(&name, &error))?;
    let mut progress = Progress::new(false, quiet);
    let is_over = |snapshot: &Snapshot| matches!(snapshot.state, State::Stopped);
    let given_up = tokio::select! {
        biased;
        () = interrupt.requested() => "interrupted",
        watched = transfer::watch(&mut handle, &mut progress, is_over) => {
            interrupt.end_at_next(|| {});
            session.close().await;
            watched?;
            return Ok(Snapshot::clone(&handle.snapshot()));
        }
        () = timed_out(show.timeout) => "timed out",
    };
    progress.clear();
    let limit = handle.snapshot().limit;
    interrupt.end_at_next(|| {});
    handle.stop().await;
    session.close().await;
    let limit = limit.map(|limit| format!(" ({})", progress::why(&limit)));
    let message = format!(
        "{given_up} before the metadata has come{}; --offline shows what the link says",
        limit.unwrap_or_default()
    );
    Err(Failure::new(Exit::Stopped, message))
}

fn as_torrent(info: &Info, link: &MagnetLink) -> Result<Metainfo, Failure> {
    let mut torrent = MetainfoBuilder::new(info.raw());
    for url in &link.trackers {
        torrent = torrent.tier([url]);
    }
    for url in &link.web_seeds {
        torrent = torrent.web_seed(url);
    }
    Metainfo::from_bytes(&torrent.encode())
        .map_err(|error| Failure::new(Exit::BadTorrent, printable(&error.to_string())))
}

#[cfg(test)]
mod tests {
    use bt_metainfo::InfoBuilder;

    use super::*;

    #[test]
    fn a_torrent_is_what_peers_and_the_link_say() {
        let info = InfoBuilder::new("a", 16_384)
            .single_file(1)
            .pieces([[0; 20]])
            .build()
            .unwrap();
        let mut link = MagnetLink::new(info.ids());
        link.trackers = vec!["udp://t:1".to_owned(), "http://u/a".to_owned()];
        link.web_seeds = vec!["http://w/".to_owned()];
        let torrent = as_torrent(&info, &link).unwrap();
        assert_eq!(torrent.info().raw(), info.raw());
        assert_eq!(torrent.tiers(), [["udp://t:1"], ["http://u/a"]]);
        assert_eq!(torrent.web_seeds(), ["http://w/"]);
    }
}
