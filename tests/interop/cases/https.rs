//! A tracker and a .torrent behind TLS, with a certificate of whom only the user trusts.

use std::{
    ffi::OsStr,
    fs,
    io::Write,
    net::SocketAddrV4,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;

use super::{Entry, MIB, get::made_by_libtorrent};
use crate::{
    bt::{self, Finished, exit},
    certificates::Authority,
    foreign::{
        Torrent,
        libtorrent::{Format, Libtorrent},
        npm::TlsFront,
        opentracker::Opentracker,
    },
    harness::{Case, Context, Outcome, Payload, ensure, wait},
    web_server::{WebServer, response},
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "https/tracker",
        run: tracker,
    },
    Entry {
        name: "https/torrent",
        run: torrent_from_url,
    },
    Entry {
        name: "https/not-trusted",
        run: not_trusted,
    },
];

fn front(case: &Case<'_>, authority: &Authority, server: SocketAddrV4) -> Outcome<TlsFront> {
    let address = case.address()?;
    let [key, certificate] = authority.certify(case, *address.ip())?;
    TlsFront::start(case, address, [&key, &certificate], server)
}

/// `bt` run to its end, trusting what is named in a file.
fn run(case: &Case<'_>, trusted: &Path, words: &[&OsStr]) -> Outcome<Finished> {
    bt::run_with(case, words, wait::TRANSFER, |command| {
        trust(command, trusted);
    })
}

/// Nobody else, whatever the machine's own settings are.
fn trust(command: &mut Command, trusted: &Path) {
    command
        .env("SSL_CERT_FILE", trusted)
        .env_remove("SSL_CERT_DIR");
}

/// The seeder announces over UDP, `bt` over HTTPS, to the same tracker.
fn tracker(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(4 * MIB);
    let address = case.address()?;
    let announced = made_by_libtorrent(case, &payload, Format::V1, Some(address))?;
    let silent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let tracker = Opentracker::start(case, address, &announced)?;
    let _seeder = Libtorrent::peer(case, "seeder", &announced, &case.folder("seed")?)?.seed()?;
    tracker.wait_seeders(&announced, 1)?;
    let authority = Authority::new(case, "authority")?;
    let front = front(case, &authority, address)?;
    let (url, trusted) = (front.url("/announce"), authority.certificate());

    let path = silent.path.as_os_str();
    let words = ["announce".as_ref(), url.as_ref(), path, "--json".as_ref()];
    let said = run(case, trusted, &words)?.ensure_exit(exit::DONE)?;
    ensure!(said.json()?["seeders"] == json!(1), "{:?}", said.stdout);

    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &silent, &folder)?
        .tracker(&url)
        .with(|command| trust(command, trusted))
        .start()?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)?;
    wait::until("the tracker has heard the goodbye", wait::SOON, || {
        let scrape = tracker.scrape(&announced)?;
        Ok(((scrape.seeders, scrape.leechers) == (1, 0)).then_some(()))
    })
}

/// `show` and `get` of a URL.
fn torrent_from_url(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let server = torrent_server(case, &torrent)?;
    let authority = Authority::new(case, "authority")?;
    let front = front(case, &authority, server.address())?;
    let (url, trusted) = (front.url("/a.torrent"), authority.certificate());

    let words = ["show", &url, "--json"].map(OsStr::new);
    let shown = run(case, trusted, &words)?
        .ensure_exit(exit::DONE)?
        .json()?;
    ensure!(shown["info_hash"] == json!(torrent.info_hash), "{shown}");

    let seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    let folder = case.folder("got")?;
    let by_url = Torrent {
        path: PathBuf::from(url),
        ..torrent
    };
    let mut bt = bt::get(case, "bt-get", &by_url, &folder)?
        .peer(seeder.address())
        .with(|command| trust(command, trusted))
        .start()?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)
}

/// One line that says what is wrong, and nothing that could be heard on the way.
fn not_trusted(case: &Case<'_>) -> Outcome {
    let torrent = made_by_libtorrent(case, &Payload::single(MIB), Format::V1, None)?;
    let server = torrent_server(case, &torrent)?;
    let authority = Authority::new(case, "authority")?;
    let stranger = Authority::new(case, "stranger")?;
    let right = front(case, &authority, server.address())?;
    let address = case.address()?;
    let [key, certificate] = authority.certify(case, *case.address()?.ip())?;
    let of_another = TlsFront::start(case, address, [&key, &certificate], server.address())?;
    let of_itself = TlsFront::start(case, case.address()?, authority.itself(), server.address())?;
    let nothing = case.path().join("nothing.pem");
    for (front, trusted, says) in [
        (
            &right,
            stranger.certificate(),
            "nobody whom this system trusts",
        ),
        (&of_another, authority.certificate(), "not valid for"),
        (&of_itself, authority.certificate(), "an authority's"),
        (&right, &*nothing, "nothing.pem"),
    ] {
        let url = front.url("/a.torrent");
        let tracker = front.url("/announce");
        let hash = "0".repeat(40);
        for words in [&["show", &url][..], &["announce", &tracker, &hash]] {
            let words: Vec<_> = words.iter().map(OsStr::new).collect();
            let said = run(case, trusted, &words)?.ensure_exit(exit::OTHER)?;
            let line = said.one_line()?;
            ensure!(line.contains(says), "{words:?}: {line}");
        }
    }
    ensure!(server.asked() == 0, "somebody was asked in spite of all");
    Ok(())
}

/// Without TLS: that is what stands in front of it.
fn torrent_server(case: &Case<'_>, torrent: &Torrent) -> Outcome<WebServer> {
    let bytes = fs::read(&torrent.path).context("reading the torrent")?;
    WebServer::start(case, move |_, stream| {
        let kind = "Content-Type: application/x-bittorrent\r\n";
        stream.write_all(&response("200 OK", kind, &bytes))
    })
}
