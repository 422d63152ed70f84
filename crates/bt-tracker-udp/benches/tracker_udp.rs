//! What a busy client asks of the codec and the machine, and a busy tracker of the server.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::{
    hint::black_box,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use bt_tracker_udp::{
    ServerConfig, TrackerServer, UdpTracker,
    wire::{ConnectionId, Family, Request, Response, TransactionId},
};
use bt_types::{AnnounceEvent, AnnounceRequest, AnnounceResponse, PeerId, SwarmId};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn decode(c: &mut Criterion) {
    let peers = (0..200).map(|n| SocketAddr::from(([10, 0, 0, n], 6881)));
    let response = Response::Announce(AnnounceResponse {
        interval: Duration::from_secs(1800),
        peers: peers.collect(),
        ..AnnounceResponse::default()
    });
    let mut datagram = Vec::new();
    response.encode(TransactionId(1), Family::V4, &mut datagram);
    let mut group = c.benchmark_group("tracker_udp/decode_response");
    group.throughput(Throughput::Elements(200));
    group.bench_function("200_peers", |b| {
        b.iter(|| Response::decode(black_box(&datagram), Family::V4));
    });
    group.finish();

    let mut datagram = Vec::new();
    announce(ConnectionId(1), 1).encode(TransactionId(1), &mut datagram);
    let mut group = c.benchmark_group("tracker_udp/decode_request");
    group.throughput(Throughput::Bytes(datagram.len() as u64));
    group.bench_function("announce", |b| {
        b.iter(|| Request::decode(black_box(&datagram)));
    });
    group.finish();
}

fn client(c: &mut Criterion) {
    let now = epoch();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 6969));
    let mut group = c.benchmark_group("tracker_udp/client_round_trips");
    group.throughput(Throughput::Elements(1000));
    group.bench_function("1000_torrents", |b| {
        b.iter(|| {
            let mut tracker = UdpTracker::new(address, "/announce", [7; 32]);
            for n in 0..1000 {
                tracker.announce(now, request(n)).expect("room for 1000");
            }
            let mut answer = Vec::new();
            while let Some(transmit) = tracker.poll_transmit() {
                answer.clear();
                let (tid, request) = Request::decode(&transmit.payload).expect("ours");
                let response = match request {
                    Request::Connect => Response::Connect(ConnectionId(1)),
                    _ => Response::Announce(AnnounceResponse::default()),
                };
                response.encode(tid, Family::V4, &mut answer);
                tracker
                    .handle_datagram(now, address, &answer)
                    .expect("awaited");
            }
            assert_eq!(tracker.pending_count(), 0);
        });
    });
    group.finish();
}

fn server(c: &mut Criterion) {
    let now = epoch();
    let from = SocketAddr::from(([10, 0, 0, 1], 40_000));
    let mut server = TrackerServer::new(ServerConfig::default(), [7; 32]);
    let (mut datagram, mut out) = (Vec::new(), Vec::new());
    Request::Connect.encode(TransactionId(1), &mut datagram);
    server.handle_datagram(now, from, &datagram, &mut out);
    let Ok((_, Response::Connect(id))) = Response::decode(&out, Family::V4) else {
        panic!("a connect response");
    };
    for port in 1..=1000 {
        datagram.clear();
        announce(id, port).encode(TransactionId(1), &mut datagram);
        server.handle_datagram(now, from, &datagram, &mut out);
    }
    assert_eq!(server.peer_count(), 1000);
    let mut group = c.benchmark_group("tracker_udp/server_announce");
    group.throughput(Throughput::Elements(1));
    group.bench_function("50_of_1000_peers", |b| {
        b.iter(|| server.handle_datagram(now, from, black_box(&datagram), &mut out));
    });
    group.finish();
}

fn announce(connection_id: ConnectionId, port: u16) -> Request {
    Request::Announce {
        connection_id,
        request: AnnounceRequest { port, ..request(1) },
        url_data: b"/announce".to_vec(),
    }
}

fn request(n: u32) -> AnnounceRequest {
    let mut id = [0; 20];
    id[..4].copy_from_slice(&n.to_be_bytes());
    AnnounceRequest {
        swarm_id: SwarmId(id),
        peer_id: PeerId(*b"-XX0001-abcdefghijkl"),
        uploaded: 0,
        downloaded: 0,
        left: 1,
        event: AnnounceEvent::None,
        key: 0,
        num_want: None,
        port: 6881,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an arbitrary epoch; only offsets from it matter"
)]
fn epoch() -> Instant {
    Instant::now()
}

criterion_group!(benches, decode, client, server);
criterion_main!(benches);
