//! Torrents of which both sides know no more than a magnet link says.

use std::{fs, io};

use serde_json::json;

use super::{Entry, MIB, Planned, get::made_by_libtorrent};
use crate::{
    bt::{self, exit},
    foreign::{
        CLIENTS, Client, Torrent,
        libtorrent::{Format, Libtorrent},
        opentracker::Opentracker,
    },
    harness::{Case, Context, Outcome, Payload, ensure, wait},
    hostile_peer::{HostilePeer, Victim, id, message},
    tracker_client,
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "magnet/killed",
        run: killed,
    },
    Entry {
        name: "magnet/show",
        run: show,
    },
    Entry {
        name: "magnet/liar",
        run: liar,
    },
    Entry {
        name: "magnet/no-torrent",
        run: no_torrent,
    },
    Entry {
        name: "magnet/nobody",
        run: nobody,
    },
    Entry {
        name: "magnet/chosen-files",
        run: chosen_files,
    },
    Entry {
        name: "magnet/pex",
        run: pex,
    },
];

/// One client each way.
pub(super) fn short() -> Vec<Planned> {
    let is_one = |client: &&&dyn Client| ["libtorrent", "transmission"].contains(&client.name());
    CLIENTS
        .iter()
        .filter(is_one)
        .flat_map(|client| with_one("", *client, 8 * MIB))
        .collect()
}

pub(super) fn long() -> Vec<Planned> {
    let all = CLIENTS.iter();
    all.flat_map(|client| with_one("long/", *client, 64 * MIB))
        .collect()
}

fn with_one(tier: &str, client: &'static dyn Client, length: u64) -> [Planned; 2] {
    let named = |verb: &str| format!("{tier}magnet/{verb}/{}", client.name());
    let get = Planned::new(named("get"), move |case| get_from(case, client, length));
    let seed = Planned::new(named("seed"), move |case| seed_to(case, client, length));
    [get, seed].map(|planned| Planned {
        missing: client.missing(),
        ..planned
    })
}

/// The link names the seeder, and nobody else does.
fn get_from(case: &Case<'_>, client: &'static dyn Client, length: u64) -> Outcome {
    let payload = Payload::multi(length);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let seeder = client.seed(case, &torrent, &case.folder("seed")?, None)?;
    let link = torrent.by_link(&format!("&x.pe={}", seeder.address()))?;
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &link, &folder)?.start()?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)
}

/// The leecher has a link with a tracker, which names `bt`; who does not care for trackers is dialled.
/// Nobody else has the metadata.
fn seed_to(case: &Case<'_>, client: &'static dyn Client, length: u64) -> Outcome {
    let payload = Payload::multi(length);
    let tracker_address = case.address()?;
    let torrent = made_by_libtorrent(case, &payload, Format::V1, Some(tracker_address))?;
    let tracker = Opentracker::start(case, tracker_address, &torrent)?;
    let url = tracker_client::url(tracker_address);
    let link = torrent.by_link(&format!("&tr={url}"))?;
    let content = bt::content(&case.folder("seed")?, &payload.name);
    let bt = bt::seed(case, "bt-seed", &torrent, &content)?;
    let (mut bt, leecher) = if client.dials_from_trackers() {
        let bt = bt.start()?;
        tracker.wait_seeders(&torrent, 1)?;
        // Some do not answer us before they have the metadata.
        (bt, client.leech(case, &link)?)
    } else {
        let leecher = client.leech(case, &link)?;
        (bt.peer(leecher.address()).start()?, leecher)
    };
    leecher.finish(&payload)?;
    bt.ensure_running()
}

/// Killed in the middle, it neither asks for the metadata again nor for what was complete.
fn killed(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(16 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?
        .upload_limit(2 * MIB)
        .seed()?;
    let link = torrent.by_link(&format!("&x.pe={}", seeder.address()))?;
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-first", &link, &folder)?.start()?;
    let middle = bt.wait_middle(2 * MIB)?;
    ensure!(
        bt.count_without_metadata() > 0,
        "it was never without metadata"
    );
    bt.kill();
    bt.wait_end(wait::SOON)?;

    // The seeder has not gone, but knows nothing any more that could be asked for.
    let mut bt = bt::get(case, "bt-alone", &torrent.by_link("")?, &folder)?.start()?;
    let start = bt.start()?;
    ensure!(
        start.resumed + start.hashed >= middle.bytes_done,
        "{start:?}, and {} were done",
        middle.bytes_done
    );
    bt.interrupt()?;
    bt.wait_exit(exit::STOPPED, wait::SOON)?;
    ensure!(bt.count_without_metadata() == 0, "it was without metadata");

    seeder.limit_upload(0)?;
    let mut bt = bt::get(case, "bt-second", &link, &folder)?.start()?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)?;
    ensure!(bt.count_without_metadata() == 0, "it was without metadata");

    // And a finished one is done at once, with nobody there.
    seeder.stop()?;
    let mut bt = bt::get(case, "bt-third", &link, &folder)?.start()?;
    bt.wait_complete(wait::SOON)
}

/// Files are shown as of the .torrent; the second time nobody is there.
fn show(case: &Case<'_>) -> Outcome {
    let payload = Payload::multi(2 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    let link = torrent.by_link(&format!("&x.pe={}&tr=udp://t.invalid:1", seeder.address()))?;
    let file = bt::run(
        case,
        ["show".as_ref(), torrent.path.as_os_str(), "--json".as_ref()],
        wait::SOON,
    )?;
    let file = file.ensure_exit(exit::DONE)?.json()?;
    for is_alone in [false, true] {
        let words = ["show".as_ref(), link.path.as_os_str(), "--json".as_ref()];
        let shown = bt::run(case, words, wait::TRANSFER)?;
        let shown = shown.ensure_exit(exit::DONE)?.json()?;
        for key in ["name", "info_hash", "files", "total_size", "piece_count"] {
            ensure!(shown[key] == file[key], "{key} is {}", shown[key]);
        }
        ensure!(
            shown["trackers"] == json!([["udp://t.invalid:1"]]),
            "{shown}"
        );
        if !is_alone {
            seeder.stop()?;
        }
    }
    let words = ["show".as_ref(), link.path.as_os_str(), "--offline".as_ref()];
    let said = bt::run(case, words, wait::SOON)?.ensure_exit(exit::DONE)?;
    ensure!(
        !said.stdout.join("\n").contains("files"),
        "{:?}",
        said.stdout
    );
    Ok(())
}

/// What the first peer sends is something else, of the right size. It is banned, and another asked.
fn liar(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(4 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let seed = case.folder("seed")?;
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &seed)?.seed()?;
    let length = info_of(&torrent)?.len();
    let liar = HostilePeer::start(case, &torrent, move |victim| {
        send_metadata(victim, &vec![b'0'; length])
    })?;
    let link = torrent.by_link(&format!("&x.pe={}", liar.address()))?;
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &link, &folder)?
        .with(|command| {
            command.arg("-v");
        })
        .start()?;
    let address = bt.wait_listening()?;
    wait::until("the liar has lied", wait::TRANSFER, || {
        bt.ensure_running()?;
        Ok((liar.harmed() > 0).then_some(()))
    })?;
    seeder.connect(address)?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)?;
    let log = bt.stderr();
    let peer = format!("peer={}", liar.address());
    let is_ban = |line: &String| line.contains("banned") && line.contains(&peer);
    ensure!(log.iter().any(is_ban), "no ban: {log:?}");
    Ok(())
}

/// What the link's hash stands for is no torrent: nobody but who made the link is to blame.
fn no_torrent(case: &Case<'_>) -> Outcome {
    let bytes = b"d6:lengthi5e4:name1:xe";
    let hash = bt_hash::sha1(bytes);
    let torrent = Torrent {
        path: "none".into(),
        info_hash: Some(hash.iter().map(|byte| format!("{byte:02x}")).collect()),
        info_hash_v2: None,
    };
    let peer = HostilePeer::start(case, &torrent, |victim| send_metadata(victim, bytes))?;
    let link = torrent.by_link(&format!("&x.pe={}", peer.address()))?;
    let mut bt = bt::get(case, "bt-get", &link, &case.folder("got")?)?.start()?;
    bt.wait_exit(exit::BAD_TORRENT, wait::TRANSFER)?;
    bt.ensure_one_line(&["no valid torrent"])?;
    let words = ["show".as_ref(), link.path.as_os_str()];
    let show = bt::run(case, words, wait::TRANSFER)?;
    show.ensure_exit(exit::BAD_TORRENT)?.one_line()?;
    Ok(())
}

/// Nobody has it: that is said, with what was tried.
fn nobody(case: &Case<'_>) -> Outcome {
    let hash = "cd".repeat(20);
    let link = Torrent {
        path: format!("magnet:?xt=urn:btih:{hash}&x.pe={}", case.address()?).into(),
        info_hash: Some(hash),
        info_hash_v2: None,
    };
    let mut bt = bt::get(case, "bt-get", &link, &case.folder("got")?)?
        .timeout(2)
        .with(|command| {
            command.arg("--why");
        })
        .start()?;
    bt.wait_exit(exit::STOPPED, wait::SOON)?;
    bt.ensure_one_line(&["timed out before the metadata has come", "no peers"])?;
    let why = bt.latest("why")?;
    ensure!(why["limit"] == "no_peers", "{why}");
    let words = [
        "show".as_ref(),
        link.path.as_os_str(),
        "--timeout".as_ref(),
        "1".as_ref(),
    ];
    let show = bt::run(case, words, wait::SOON)?.ensure_exit(exit::STOPPED)?;
    let said = show.stderr.join("\n");
    ensure!(said.contains("before the metadata has come"), "{said}");
    Ok(())
}

/// Only what the link chooses is made; what the user chooses goes before.
fn chosen_files(case: &Case<'_>) -> Outcome {
    let payload = Payload::multi(4 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    let link = torrent.by_link(&format!("&x.pe={}&so=0", seeder.address()))?;
    let of_both = |name: &str, more: &[&str]| -> Outcome<u64> {
        let mut bt = bt::get(case, name, &link, &case.folder(name)?)?
            .with(|command| {
                command.args(more);
            })
            .start()?;
        bt.wait_complete(wait::TRANSFER)?;
        let left_out = bt.latest("complete")?["files_left_out"].as_u64();
        left_out.context("no count of files")
    };
    let by_link = of_both("by-link", &[])?;
    let by_user = of_both("by-user", &["--select", "1-2"])?;
    ensure!(by_link == by_user + 1, "{by_link} and {by_user} left out");
    let mut none = bt::get(case, "none", &link, &case.folder("none")?)?
        .with(|command| {
            command.args(["--select", "*.nothing"]);
        })
        .start()?;
    none.wait_exit(exit::USAGE, wait::TRANSFER)?;
    none.ensure_one_line(&["--select *.nothing names no file"])
}

/// Two know only a slow libtorrent between them, and learn of each other from it.
fn pex(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(64 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?
        .upload_limit(payload.length() / 400)
        .seed()?;
    let link = torrent.by_link(&format!("&x.pe={}", seeder.address()))?;
    let (first_folder, second_folder) = (case.folder("first")?, case.folder("second")?);
    let mut first = bt::get(case, "bt-first", &link, &first_folder)?.start()?;
    let mut second = bt::get(case, "bt-second", &link, &second_folder)?.start()?;
    let alone_folder = case.folder("alone")?;
    let mut alone = bt::get(case, "bt-without", &link, &alone_folder)?
        .with(|command| {
            command.arg("--no-pex");
        })
        .start()?;
    // Either may dial the other.
    let told = "has reached a peer that another peer has named";
    wait::until(told, wait::TRANSFER, || {
        let has = |bt: &bt::Bt| -> bool {
            let progress = bt.latest("progress");
            progress.is_ok_and(|it| it["sources"]["pex"]["connected"].as_u64() > Some(0))
        };
        first.ensure_running()?;
        Ok((has(&first) || has(&second)).then_some(()))
    })?;
    let sources = alone.latest("progress")?["sources"].clone();
    ensure!(sources["pex"].is_null(), "{sources}");
    alone.kill();
    seeder.limit_upload(0)?;
    first.wait_complete(wait::TRANSFER)?;
    second.wait_complete(wait::TRANSFER)?;
    payload.compare(&first_folder)?;
    payload.compare(&second_folder)
}

/// The info dictionary as it is in the .torrent.
fn info_of(torrent: &Torrent) -> Outcome<Vec<u8>> {
    let bytes = fs::read(&torrent.path).context("reading the torrent")?;
    let metainfo = bt_metainfo::Metainfo::from_bytes(&bytes).context("reading the torrent")?;
    Ok(metainfo.info().raw().to_vec())
}

/// Says to have the metadata (BEP 9), and answers each request with a part of these bytes.
fn send_metadata(victim: &mut Victim, bytes: &[u8]) -> io::Result<()> {
    victim.shake_hands()?;
    let handshake = format!(
        "\0d1:md11:ut_metadatai3ee13:metadata_sizei{}ee",
        bytes.len()
    );
    victim.write(&message(id::EXTENDED, handshake.as_bytes()))?;
    let mut number = 0;
    loop {
        let (kind, body) = victim.read_message()?;
        let body = String::from_utf8_lossy(&body).into_owned();
        if kind != id::EXTENDED {
            continue;
        }
        if let Some(told) = after(&body, "11:ut_metadatai") {
            number = told as u8;
        }
        let is_request = body.starts_with('\u{3}') && body.contains("8:msg_typei0e");
        let Some(piece) = after(&body, "5:piecei").filter(|_| is_request) else {
            continue;
        };
        let part = bytes.chunks(16 * 1024).nth(piece).unwrap_or_default();
        let total = bytes.len();
        let header = format!("d8:msg_typei1e5:piecei{piece}e10:total_sizei{total}ee");
        let answer = [&[number][..], header.as_bytes(), part].concat();
        victim.write(&message(id::EXTENDED, &answer))?;
        victim.harmed();
    }
}

/// The number behind a key.
fn after(text: &str, key: &str) -> Option<usize> {
    let (_, rest) = text.split_once(key)?;
    let end = rest.find('e')?;
    rest[..end].parse().ok()
}
