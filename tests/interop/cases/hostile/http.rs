//! HTTP trackers that mean harm.

use std::{
    io::{self, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpStream},
    time::Duration,
};

use super::{PAYLOAD, SLOW, complete_in_little_memory};
use crate::{
    bt::{self, exit},
    cases::{Entry, PIECE_LENGTH, get::made_by_libtorrent},
    foreign::libtorrent::{self, Format, Libtorrent},
    harness::{Case, Namespace, Outcome, Payload, configure, ensure, ports::free_port, wait},
    web_server::{WebServer, bomb, redirect, response},
};

pub(in crate::cases) const CASES: &[Entry] = &[
    Entry {
        name: "hostile/http/announce",
        run: announce,
    },
    Entry {
        name: "hostile/http/get",
        run: get,
    },
    Entry {
        name: "hostile/http/into-the-network",
        run: into_the_network,
    },
    Entry {
        name: "hostile/http/redirect-into-the-network",
        run: redirect_into_the_network,
    },
];

/// What it does, by the last part of its path, and what `bt` says of it.
const WAYS: &[(&str, &str)] = &[
    ("bomb", "more than"),
    ("endless", "more than"),
    ("endless-chunks", "more than"),
    ("claims-much", "more than"),
    ("endless-headers", "no valid HTTP answer"),
    ("file", "not an http or https url"),
    ("loop", "redirects"),
    ("page", "not a tracker's answer"),
    ("nothing", "no valid HTTP answer"),
    ("status", "HTTP status 503"),
    ("escapes", "away"),
    ("not-packed", "cannot be unpacked"),
];

fn hostile(case: &Case<'_>) -> Outcome<WebServer> {
    WebServer::start(case, |target, stream| {
        let path = target.split('?').next().unwrap_or_default();
        serve(path.trim_start_matches("/announce-"), stream)
    })
}

fn serve(way: &str, stream: &mut TcpStream) -> io::Result<()> {
    let endless = |stream: &mut TcpStream, head: &[u8], part: &[u8]| -> io::Result<()> {
        stream.write_all(head)?;
        loop {
            stream.write_all(part)?;
        }
    };
    match way {
        "bomb" => stream.write_all(&bomb(64 << 20)),
        "endless" => endless(stream, b"HTTP/1.1 200 OK\r\n\r\n", &[b'd'; 1 << 16]),
        "endless-chunks" => endless(
            stream,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"5\r\nabcde\r\n",
        ),
        "claims-much" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nd")
        }
        "endless-headers" => endless(stream, b"HTTP/1.1 200 OK\r\n", b"X-Pad: abcdefgh\r\n"),
        "drip" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
            loop {
                stream.write_all(b"X: y\r\n")?;
                std::thread::sleep(Duration::from_millis(500));
            }
        }
        "file" => stream.write_all(&redirect("file:///etc/hostname")),
        "loop" => stream.write_all(&redirect("/announce-loop")),
        "page" => stream.write_all(&response("200 OK", "", b"<!DOCTYPE html>")),
        "nothing" => Ok(()),
        "status" => stream.write_all(&response("503 Busy", "", b"later")),
        "escapes" => stream.write_all(&response(
            "200 OK",
            "",
            b"d14:failure reason17:no\x1b[2J, go\r\naway!e",
        )),
        "not-packed" => stream.write_all(&response("200 OK", "Content-Encoding: gzip\r\n", b"de")),
        other => unreachable!("no such way: {other}"),
    }
}

/// One line that cannot move the cursor, soon.
fn announce(case: &Case<'_>) -> Outcome {
    let server = hostile(case)?;
    let hash = "0123456789".repeat(4);
    for (way, says) in WAYS {
        let url = server.url(&format!("/announce-{way}"));
        let said = bt::run(case, ["announce", &url, &hash], wait::SOON)?;
        let said = said.ensure_exit(exit::OTHER)?;
        let line = said.one_line()?;
        let is_plain = !line.contains(char::is_control) && line.len() < 4000;
        ensure!(line.contains(says) && is_plain, "{way}: {line:?}");
    }
    let drip = server.url("/announce-drip");
    let words = ["announce", &drip, &hash, "--timeout", "1"];
    bt::run(case, words, wait::SOON)?.ensure_exit(exit::STOPPED)?;
    Ok(())
}

/// All of them at once are the trackers of a download, which does without.
fn get(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(PAYLOAD);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?
        .upload_limit(SLOW)
        .seed()?;
    let server = hostile(case)?;
    let folder = case.folder("got")?;
    // Not so many that the complaints are too many.
    let ways = ["bomb", "endless", "endless-headers", "file", "loop", "drip"];
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?.peer(seeder.address());
    for way in ways {
        bt = bt.tracker(&server.url(&format!("/announce-{way}")));
    }
    let mut bt = bt.start()?;
    wait::until("all have been asked", wait::SOON, || {
        bt.ensure_running()?;
        Ok((server.asked() >= ways.len()).then_some(()))
    })?;
    bt.wait_middle(PAYLOAD / 8)?;
    seeder.limit_upload(0)?;
    complete_in_little_memory(&mut bt)?;
    payload.compare(&folder)
}

/// A torrent's trackers cannot make us ask this machine for what they like; those of the user can.
fn into_the_network(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(PAYLOAD);
    let seed = case.folder("seed")?;
    payload.write_to(&seed)?;
    let (named, by_hand) = (peerless(case)?, peerless(case)?);
    let urls = [
        "/reboot",
        "/announce?cmd=reboot",
        "/announce/%2e%2e/reboot",
        "/x?left=0",
    ]
    .map(|path| named.url(path));
    let urls = urls.each_ref().map(String::as_str);
    let content = seed.join(&payload.name);
    let torrent = libtorrent::create(case, "hostile", &content, Format::V1, PIECE_LENGTH, &urls)?;
    let silent = libtorrent::create(case, "silent", &content, Format::V1, PIECE_LENGTH, &[])?;
    let seeder = Libtorrent::peer(case, "seeder", &silent, &seed)?.seed()?;
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?
        .peer(seeder.address())
        .tracker(&by_hand.url("/reboot"))
        .start()?;
    complete_in_little_memory(&mut bt)?;
    payload.compare(&folder)?;
    ensure!(named.asked() == 0, "asked {} times", named.asked());
    ensure!(by_hand.asked() > 0, "what the user names was not asked");
    Ok(())
}

/// A tracker of the internet sends `bt` to one of this machine, which is not asked for it; whom the user
/// names himself is.
fn redirect_into_the_network(case: &Case<'_>) -> Outcome {
    let network = Namespace::new()?;
    network.inside(|| {
        let of_the_internet = Ipv4Addr::new(198, 51, 100, 7);
        configure("ip", &["link", "set", "lo", "up"])?;
        let address = format!("{of_the_internet}/32");
        configure("ip", &["address", "add", &address, "dev", "lo"])?;
        let local = peerless(case)?;
        let target = local.url("/announce");
        let public = SocketAddrV4::new(of_the_internet, free_port()?);
        let public = WebServer::start_at(public, {
            let target = target.clone();
            move |_, stream| stream.write_all(&redirect(&target))
        })?;
        let hash = "0123456789".repeat(4);
        let said = bt::run(
            case,
            ["announce", &public.url("/announce"), &hash],
            wait::SOON,
        )?;
        let said = said.ensure_exit(exit::OTHER)?;
        let line = said.one_line()?;
        ensure!(
            line.contains("redirected from the internet to the local address 127."),
            "{line:?}"
        );
        ensure!(
            (public.asked(), local.asked()) == (1, 0),
            "asked {} and {} times",
            public.asked(),
            local.asked()
        );
        bt::run(case, ["announce", &target, &hash], wait::SOON)?.ensure_exit(exit::DONE)?;
        ensure!(local.asked() > 0, "whom the user names was not asked");
        Ok(())
    })
}

fn peerless(case: &Case<'_>) -> Outcome<WebServer> {
    WebServer::start(case, |_, stream| {
        stream.write_all(&response("200 OK", "", b"d8:intervali1800e5:peers0:e"))
    })
}
