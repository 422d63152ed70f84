//! What goes to the log. The torrent is named by the span in which its task runs.

use std::{fmt, time::Duration};

use bt_swarm::Event;
use bt_tracker::Event as TrackerEvent;
use bt_types::PeerSource;
use tracing::{debug, info, warn};

use crate::DiskTrouble;

pub(super) fn swarm(event: &Event) {
    match event {
        Event::PeerConnected {
            conn,
            peer,
            direction,
            peer_id,
        } => info!(target: PEERS, %peer, ?direction, %peer_id, %conn, "peer connected"),
        Event::PeerDisconnected {
            conn,
            peer,
            reason: Some(reason),
        } => info!(target: PEERS, %peer, %reason, %conn, "peer dropped"),
        Event::PeerDisconnected {
            conn,
            peer,
            reason: None,
        } => info!(target: PEERS, %peer, %conn, "peer gone"),
        Event::DialFailed { peer, failures } => {
            debug!(target: PEERS, %peer, failures, "peer not reached");
        }
        Event::PieceVerified(piece) => debug!(target: PIECES, %piece, "piece verified"),
        Event::PieceFailed {
            piece,
            contributors,
        } => warn!(target: PIECES, %piece, ?contributors, "piece failed its hash"),
        Event::PieceLost(piece) => debug!(target: PIECES, %piece, "piece is gone from the disk"),
        Event::PieceFound(piece) => debug!(target: PIECES, %piece, "piece is there again"),
        Event::PeerBanned { peer, reason, .. } => {
            let piece = reason.piece().map(tracing::field::display);
            let begin = reason.block().map(|block| block.begin);
            warn!(target: PEERS, %peer, piece, begin, %reason, "peer banned for bad data");
        }
        Event::SuperSeedingEnded => {
            info!(target: PEERS, "others have every piece: no longer super-seeding");
        }
        Event::Completed => info!(target: PIECES, "complete"),
        // One for each job that was under way, and for each attempt; see `disk_trouble`.
        Event::DiskFailed(job) => debug!(target: PIECES, ?job, "disk failed"),
        Event::ExternalAddress(address) => {
            debug!(target: PEERS, %address, "address seen by a peer");
        }
        other => debug!(event = ?other),
    }
}

/// What others than trackers have told.
pub(super) fn found(source: PeerSource, peers: usize, news: usize) {
    debug!(target: PEERS, source = source.name(), peers, news, "peers found");
}

pub(super) fn dht_announced(nodes: usize) {
    match nodes {
        0 => info!(target: DHT, "no node of the DHT has heard of the torrent"),
        nodes => info!(target: DHT, nodes, "announced in the DHT"),
    }
}

/// One line when it begins.
pub(super) fn disk_trouble(trouble: &DiskTrouble) {
    warn!(target: DISK, "{}", printable(&trouble.to_string()));
}

/// And one when it ends.
pub(super) fn disk_recovered(after: Duration, pieces_lost: usize) {
    let seconds = after.as_secs();
    match pieces_lost {
        0 => warn!(target: DISK, "the disk works again after {seconds} s: going on"),
        lost => warn!(
            target: DISK,
            "the disk works again after {seconds} s: going on; {lost} pieces were lost, and are fetched again"
        ),
    }
}

pub(super) fn tracker(event: &TrackerEvent) {
    match event {
        TrackerEvent::Answered {
            url,
            event,
            response,
        } => {
            info!(
                target: TRACKERS,
                %url,
                ?event,
                peers = response.peers.len(),
                seeders = response.seeders,
                leechers = response.leechers,
                interval = ?response.interval,
                "tracker answered"
            );
            if let Some(warning) = &response.warning {
                warn!(target: TRACKERS, %url, warning = %printable(warning), "tracker warns");
            }
        }
        TrackerEvent::Failed { url, message, .. } => {
            warn!(target: TRACKERS, %url, reason = %printable(message), "tracker failed");
        }
        TrackerEvent::Unsupported { url } => {
            info!(target: TRACKERS, %url, "tracker not supported: only udp, http and https are");
        }
        TrackerEvent::Switched { url } => info!(
            target: TRACKERS,
            %url,
            "another tracker serves this private torrent: its peers only (BEP 27)"
        ),
        other => debug!(target: TRACKERS, event = ?other),
    }
}

/// Text from strangers, without what would make a terminal do things.
fn printable(text: &str) -> impl fmt::Display + '_ {
    text.escape_debug()
}

// What users filter by stays what it is, wherever the code goes.
const PEERS: &str = "bt_client::peers";
const PIECES: &str = "bt_client::pieces";
const DISK: &str = "bt_client::disk";
const DHT: &str = "bt_client::dht";
const TRACKERS: &str = "bt_client::trackers";

#[cfg(test)]
mod tests;
