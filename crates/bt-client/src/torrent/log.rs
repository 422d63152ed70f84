//! What goes to the log. The torrent is named by the span in which its task runs.

use std::fmt;

use bt_swarm::Event;
use bt_tracker::Event as TrackerEvent;
use tracing::{debug, error, info, warn};

pub(super) fn swarm(event: &Event) {
    match event {
        Event::PeerConnected {
            conn,
            peer,
            direction,
            peer_id,
        } => debug!(%conn, %peer, ?direction, %peer_id, "peer connected"),
        Event::PeerDisconnected {
            conn,
            peer,
            reason: Some(reason),
        } => info!(%conn, %peer, %reason, "peer dropped"),
        Event::PeerDisconnected {
            conn,
            peer,
            reason: None,
        } => debug!(%conn, %peer, "peer gone"),
        Event::DialFailed { peer, failures } => debug!(%peer, failures, "peer not reached"),
        Event::PieceVerified(piece) => debug!(%piece, "piece verified"),
        Event::PieceFailed {
            piece,
            contributors,
        } => warn!(%piece, ?contributors, "piece failed its hash"),
        Event::PeerBanned { peer, piece } => warn!(%peer, %piece, "peer banned for bad data"),
        Event::Completed => info!("complete"),
        Event::DiskFailed(job) => error!(?job, "disk failed"),
        Event::ExternalAddress(address) => debug!(%address, "address seen by a peer"),
        other => debug!(event = ?other),
    }
}

pub(super) fn tracker(event: &TrackerEvent) {
    match event {
        TrackerEvent::Answered {
            url,
            event,
            response,
        } => {
            let (peers, interval) = (response.peers.len(), response.interval);
            info!(%url, ?event, peers, ?interval, "tracker answered");
            if let Some(warning) = &response.warning {
                warn!(%url, warning = %printable(warning), "tracker warns");
            }
        }
        TrackerEvent::Failed { url, message, .. } => {
            warn!(%url, reason = %printable(message), "tracker failed");
        }
        TrackerEvent::Unsupported { url } => {
            info!(%url, "tracker not supported: only udp:// is");
        }
        TrackerEvent::Switched { url } => {
            info!(%url, "another tracker serves this private torrent: its peers only (BEP 27)");
        }
        other => debug!(event = ?other),
    }
}

/// Text from strangers, without what would make a terminal do things.
fn printable(text: &str) -> impl fmt::Display + '_ {
    text.escape_debug()
}
