//! What `bt get` tells of peers, of what it wastes and of what limits it.

use serde_json::Value;

use super::{Entry, MIB, PIECE_LENGTH, get::made_by_libtorrent};
use crate::{
    bt::{self, Bt},
    foreign::{
        libtorrent::{Format, Libtorrent},
        opentracker::Opentracker,
    },
    harness::{Case, Context, Outcome, Payload, ensure, wait},
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "statistics/peers",
        run: peers,
    },
    Entry {
        name: "statistics/wasted",
        run: wasted,
    },
    Entry {
        name: "statistics/why",
        run: why,
    },
];

/// A seeder that the tracker names, and one that the user does.
fn peers(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(8 * MIB);
    let address = case.address()?;
    let torrent = made_by_libtorrent(case, &payload, Format::V1, Some(address))?;
    let tracker = Opentracker::start(case, address, &torrent)?;
    let folder = case.folder("seed")?;
    let known =
        Libtorrent::peer(case, "known", &torrent, &folder)?.upload_limit(payload.length() / 8);
    let known = known.seed()?;
    tracker.wait_seeders(&torrent, 1)?;
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?
        .with(|command| {
            command.args(["--peers", "--why"]);
        })
        .start()?;
    let address = known.address().to_string();
    let peer = wait_peer(&mut bt, &address, |peer| {
        peer["downloaded"].as_u64() > Some(0)
    })?;
    // By its own words (BEP 10).
    let client = peer["client"].as_str().context("it names no client")?;
    ensure!(client.starts_with("libtorrent/2."), "{peer}");
    let id = peer["peer_id"].as_str().context("it has no id")?;
    ensure!(id.starts_with("-LT2"), "{peer}");
    let is_as_expected = peer["transport"] == "tcp"
        && peer["direction"] == "out"
        && peer["sources"] == serde_json::json!(["tracker"])
        && peer["is_seed"] == true
        && peer["pieces_done"] == peer["piece_count"]
        && peer["am_interested"] == true
        && peer["peer_choking"] == false
        && peer["flags"] == "DC";
    ensure!(is_as_expected, "{peer}");
    let why = peer["why_choked"].as_str().unwrap_or_default();
    ensure!(["upload_only", "not_interested"].contains(&why), "{peer}");
    wait_peer(&mut bt, &address, |peer| {
        peer["score_bytes_per_sec"].as_u64() > Some(1000)
    })?;
    bt.wait_complete(wait::TRANSFER)?;
    let last = bt.latest("progress")?;
    let tracker = &last["sources"]["tracker"];
    ensure!(tracker["named"].as_u64() >= Some(1), "{last}");
    ensure!(tracker["connected"] == 1, "{last}");
    ensure!(last["share_ratio"] == 0.0, "{last}");
    ensure!(last["downloaded_total"] == last["downloaded"], "{last}");
    payload.compare(&folder)
}

/// Part of what one of two sends is not what it should be, and only that is wasted.
fn wasted(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(8 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let bad_folder = case.folder("bad")?;
    payload.write_to(&bad_folder)?;
    let good = Libtorrent::peer(case, "good", &torrent, &case.folder("seed")?)?;
    let good = good.upload_limit(payload.length() / 4).seed()?;
    let bad = Libtorrent::peer(case, "bad", &torrent, &bad_folder)?;
    let bad = bad.corrupt(&payload.name, 0, payload.length()).seed()?;
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?
        .peer(good.address())
        .peer(bad.address())
        .start()?;
    bt.wait_complete(wait::TRANSFER)?;
    let last = bt.latest("progress")?;
    let number = |key: &str| last[key].as_u64().context(key.to_owned());
    let failed = number("wasted_failed_hash")?;
    let parts = number("wasted_duplicate")? + failed;
    ensure!(failed >= PIECE_LENGTH, "{last}");
    ensure!(parts <= number("wasted")?, "{last}");
    let useful = number("downloaded")? - number("wasted")?;
    ensure!(useful == payload.length(), "{useful} of use: {last}");
    payload.compare(&folder)
}

/// Nobody, then our own limit.
fn why(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(8 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let address = case.address()?;
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?
        .peer(address)
        .with(|command| {
            command.args(["--why", "--limit-down", "1M"]);
        })
        .start()?;
    let nobody = wait_why(&mut bt, "no_peers")?;
    ensure!(nobody["figures"]["peers_known"] == 1, "{nobody}");
    let seed = case.folder("seed")?;
    let _seeder = Libtorrent::peer(case, "seeder", &torrent, &seed)?
        .listen(address)
        .seed()?;
    let limited = wait_why(&mut bt, "own_limit")?;
    let figures = &limited["figures"];
    ensure!(figures["limit_bytes_per_sec"] == MIB, "{limited}");
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)
}

/// The first peer at an address of which something is said.
fn wait_peer(bt: &mut Bt, address: &str, is_wanted: impl Fn(&Value) -> bool) -> Outcome<Value> {
    bt.wait_event("shows the peer", wait::TRANSFER, |event| {
        let peers = event["peers"]
            .as_array()
            .filter(|_| event["event"] == "peers")?;
        let mut peers = peers.iter();
        peers
            .find(|peer| peer["address"] == address && is_wanted(peer))
            .cloned()
    })
}

fn wait_why(bt: &mut Bt, limit: &str) -> Outcome<Value> {
    let what = format!("says that it is {limit}");
    bt.wait_event(&what, wait::TRANSFER, |event| {
        (event["event"] == "why" && event["limit"] == limit).then(|| event.clone())
    })
}
