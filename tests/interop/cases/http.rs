//! Trackers and torrents over HTTP, and scrapes of any kind.

use std::{
    fs,
    io::Write,
    net::{Ipv4Addr, SocketAddrV4},
    path::{Path, PathBuf},
};

use bt_tracker_http::server;
use bt_types::{AnnounceEvent, AnnounceResponse};
use serde_json::json;

use super::{Entry, MIB, get::made_by_libtorrent};
use crate::{
    bt::{self, exit},
    foreign::{
        Torrent,
        libtorrent::{Format, Libtorrent},
        opentracker::Opentracker,
    },
    harness::{Case, Context, Namespace, Outcome, Payload, configure, ensure, wait},
    tracker_client,
    web_server::{WebServer, bomb, redirect, response},
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "http/get/opentracker",
        run: get_opentracker,
    },
    Entry {
        name: "http/get/events",
        run: events,
    },
    Entry {
        name: "http/get/external-ip",
        run: external_ip,
    },
    Entry {
        name: "http/announce/opentracker",
        run: announce_opentracker,
    },
    Entry {
        name: "http/scrape/opentracker",
        run: scrape_opentracker,
    },
    Entry {
        name: "http/torrent",
        run: torrent_from_url,
    },
    Entry {
        name: "http/torrent/fails",
        run: torrent_from_url_fails,
    },
];

fn http(address: SocketAddrV4) -> String {
    format!("http://{address}/announce")
}

/// The seeder announces over UDP, `bt` over HTTP, to the same tracker.
fn get_opentracker(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(4 * MIB);
    let address = case.address()?;
    let announced = made_by_libtorrent(case, &payload, Format::V1, Some(address))?;
    let silent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let tracker = Opentracker::start(case, address, &announced)?;
    let _seeder = Libtorrent::peer(case, "seeder", &announced, &case.folder("seed")?)?.seed()?;
    tracker.wait_seeders(&announced, 1)?;

    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &silent, &folder)?
        .tracker(&http(address))
        .start()?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)?;
    // It has said goodbye, and been counted.
    wait::until("the tracker has heard the goodbye", wait::SOON, || {
        let scrape = tracker.scrape(&announced)?;
        let is_over = (scrape.seeders, scrape.leechers, scrape.completed) == (1, 0, 1);
        Ok(is_over.then_some(()))
    })
}

/// Started, completed, stopped, once each, and what the tracker gave is sent back.
fn events(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    let peer = seeder.address();
    let heard: std::sync::Arc<std::sync::Mutex<Vec<server::Announce>>> = std::sync::Arc::default();
    let tracker = WebServer::start(case, {
        let heard = std::sync::Arc::clone(&heard);
        move |target, stream| {
            let body = match server::Request::parse(target) {
                Ok(server::Request::Announce(announce)) => {
                    if let Ok(mut heard) = heard.lock() {
                        heard.push(announce);
                    }
                    server::encode_announce(
                        &AnnounceResponse {
                            interval: std::time::Duration::from_secs(1800),
                            peers: vec![peer.into()],
                            tracker_id: Some(b"id&\xff".to_vec()),
                            ..AnnounceResponse::default()
                        },
                        true,
                    )
                }
                other => server::encode_refusal(&format!("{other:?}"), Default::default()),
            };
            stream.write_all(&response("200 OK", "", &body))
        }
    })?;
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?
        .tracker(&tracker.url("/announce"))
        .start()?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)?;
    let heard = heard.lock().ok().context("the server has panicked")?;
    let events: Vec<_> = heard.iter().map(|it| it.request.event).collect();
    ensure!(
        events
            == [
                AnnounceEvent::Started,
                AnnounceEvent::Completed,
                AnnounceEvent::Stopped
            ],
        "{events:?}"
    );
    for (position, announce) in heard.iter().enumerate() {
        let expected = (position > 0).then(|| b"id&\xff".to_vec());
        ensure!(announce.tracker_id == expected, "{announce:?}");
        ensure!(
            announce.request.left == [MIB, 0, 0][position],
            "{announce:?}"
        );
        ensure!(
            announce.request.swarm_id.0 == torrent.swarm_id()?,
            "{announce:?}"
        );
        let (key, first) = (announce.request.key, heard[0].request.key);
        ensure!(key == first, "the key has changed");
    }
    Ok(())
}

/// What trackers say of our address (BEP 24) is believed when those of four neighbourhoods of the
/// internet say it, and gives an id in the DHT that fits it (BEP 42).
fn external_ip(case: &Case<'_>) -> Outcome {
    let torrent = made_by_libtorrent(case, &Payload::single(MIB), Format::V1, None)?;
    let port = case.address()?.port();
    let internet = Namespace::new()?;
    internet.inside(|| {
        configure("ip", &["link", "set", "lo", "up"])?;
        let mut trackers = Vec::new();
        for neighbourhood in 1..=4 {
            let ip = Ipv4Addr::new(11, neighbourhood, 0, 1);
            configure("ip", &["address", "add", &ip.to_string(), "dev", "lo"])?;
            let tracker = WebServer::start_at(SocketAddrV4::new(ip, port), |_, stream| {
                let answer = AnnounceResponse {
                    interval: std::time::Duration::from_secs(1800),
                    external_ip: Some(Ipv4Addr::new(8, 8, 8, 8).into()),
                    ..AnnounceResponse::default()
                };
                let body = server::encode_announce(&answer, true);
                stream.write_all(&response("200 OK", "", &body))
            })?;
            trackers.push(tracker);
        }
        let mut bt = bt::get(case, "bt-get", &torrent, &case.folder("got")?)?.dht_by(&[]);
        for tracker in &trackers {
            bt = bt.tracker(&tracker.url("/announce"));
        }
        let mut bt = bt
            .with(|command| {
                command.args(["-v", "-v"]);
            })
            .start()?;
        wait::until("bt knows its address", wait::TRANSFER, || {
            bt.ensure_running()?;
            let said = bt.stderr();
            let knows = |says: &str| said.iter().any(|line| line.contains(says));
            let is_there = knows("address=8.8.8.8") && knows("our id in the DHT is another now");
            Ok(is_there.then_some(()))
        })
    })
}

fn announce_opentracker(case: &Case<'_>) -> Outcome {
    let torrent = made_by_libtorrent(case, &Payload::single(MIB), Format::V1, None)?;
    let address = case.address()?;
    let tracker = Opentracker::start(case, address, &torrent)?;
    let peer = case.address()?;
    tracker_client::announce_for(address, &torrent, peer)?;
    let url = http(address);
    let words = [
        "announce".as_ref(),
        url.as_ref(),
        torrent.path.as_os_str(),
        "--json".as_ref(),
    ];
    let said = bt::run(case, words, wait::SOON)?
        .ensure_exit(exit::DONE)?
        .json()?;
    ensure!(
        said["peers"]
            .as_array()
            .is_some_and(|peers| peers.contains(&json!(peer.to_string()))),
        "{peer} is not in {said}"
    );
    ensure!(
        said["leechers"] == json!(2) && said["interval_secs"].is_u64(),
        "{said}"
    );
    let scrape = tracker.scrape(&torrent)?;
    ensure!(
        (scrape.seeders, scrape.leechers) == (0, 1),
        "we were left behind: {scrape:?}"
    );
    // What it refuses, it refuses with status 200.
    let words = ["announce", &url, &"0123456789".repeat(4)];
    let refused = bt::run(case, words, wait::SOON)?.ensure_exit(exit::OTHER)?;
    let line = refused.one_line()?;
    ensure!(line.contains("refuses"), "{line}");
    Ok(())
}

/// By UDP and by HTTP, one that it knows and one that it does not.
fn scrape_opentracker(case: &Case<'_>) -> Outcome {
    let torrent = made_by_libtorrent(case, &Payload::single(MIB), Format::V1, None)?;
    let address = case.address()?;
    let _tracker = Opentracker::start(case, address, &torrent)?;
    tracker_client::announce_for(address, &torrent, case.address()?)?;
    for url in [http(address), tracker_client::url(address)] {
        let unknown = "0123456789".repeat(4);
        let words = [
            "scrape".as_ref(),
            url.as_ref(),
            torrent.path.as_os_str(),
            unknown.as_ref(),
            "--json".as_ref(),
        ];
        let said = bt::run(case, words, wait::SOON)?.ensure_exit(exit::DONE)?;
        ensure!(said.stdout.len() == 2, "{url}: {:?}", said.stdout);
        let line = |line: &str| -> Outcome<serde_json::Value> {
            serde_json::from_str(line).context("reading a line")
        };
        let (known, unknown) = (line(&said.stdout[0])?, line(&said.stdout[1])?);
        ensure!(
            known["info_hash"] == json!(torrent.info_hash)
                && known["leechers"] == json!(1)
                && known["seeders"] == json!(0)
                && known["known"] == json!(true),
            "{url}: {known}"
        );
        // Over UDP, every swarm gets numbers.
        let nobody = unknown["known"] == json!(false) || unknown["leechers"] == json!(0);
        ensure!(nobody, "{url}: {unknown}");
        let words = ["scrape".as_ref(), url.as_ref(), torrent.path.as_os_str()];
        let for_people = bt::run(case, words, wait::SOON)?.ensure_exit(exit::DONE)?;
        let hash = torrent.info_hash.as_deref().context("no v1 hash")?;
        ensure!(
            for_people.stdout.len() == 2 && for_people.stdout[1].starts_with(hash),
            "{for_people:?}"
        );
    }
    // One whose URL is not by the convention.
    let words = ["scrape", &format!("http://{address}/x"), &"0".repeat(40)];
    let line = bt::run(case, words, wait::SOON)?
        .ensure_exit(exit::OTHER)?
        .one_line()?
        .to_owned();
    ensure!(line.contains("announce"), "{line}");
    Ok(())
}

/// `get` and `show` of a URL, behind a redirect.
fn torrent_from_url(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let bytes = fs::read(&torrent.path).context("reading the torrent")?;
    let server = WebServer::start(case, move |target, stream| {
        stream.write_all(&match target {
            "/a.torrent" => response(
                "200 OK",
                "Content-Type: application/x-bittorrent\r\n",
                &bytes,
            ),
            _ => redirect("/a.torrent"),
        })
    })?;
    let url = server.url("/download?id=7");
    let shown = bt::run(case, ["show", &url, "--json"], wait::SOON)?
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
        .start()?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)
}

/// One line that names the URL, and a code that says whose fault it is.
fn torrent_from_url_fails(case: &Case<'_>) -> Outcome {
    let server = WebServer::start(case, |target, stream| match target {
        "/page" => stream.write_all(&response("200 OK", "", b"<!DOCTYPE html>")),
        "/bomb" => stream.write_all(&bomb(80 << 20)),
        "/file" => stream.write_all(&redirect("file:///etc/hostname")),
        "/loop" => stream.write_all(&redirect("/loop")),
        "/endless" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            loop {
                stream.write_all(&[b'd'; 1 << 16])?;
            }
        }
        _ => stream.write_all(&response("404 Not Found", "", b"gone")),
    })?;
    let nobody = case.address()?;
    let folder = case.folder("got")?;
    for (url, code, says) in [
        (server.url("/404"), exit::OTHER, "404"),
        (server.url("/page"), exit::BAD_TORRENT, "no valid torrent"),
        (server.url("/bomb"), exit::OTHER, "more than"),
        (server.url("/endless"), exit::OTHER, "more than"),
        (server.url("/file"), exit::OTHER, "not an http or https url"),
        (server.url("/loop"), exit::OTHER, "redirects"),
        (format!("http://{nobody}/x"), exit::OTHER, "cannot connect"),
        (
            "http://me:secret@127.0.0.1/x".to_owned(),
            exit::OTHER,
            "passwords",
        ),
    ] {
        for words in [
            vec![Path::new("show"), Path::new(&url)],
            vec![Path::new("get"), Path::new(&url), Path::new("-o"), &folder],
        ] {
            let said = bt::run(case, &words, wait::TRANSFER)?
                .ensure_exit(code)
                .context(format_args!("{words:?}"))?;
            let line = said.one_line()?;
            ensure!(line.contains(&url) && line.contains(says), "{line}");
        }
    }
    let left_behind = fs::read_dir(&folder).context("listing")?.count();
    ensure!(left_behind == 0, "{left_behind} things were made");
    Ok(())
}
