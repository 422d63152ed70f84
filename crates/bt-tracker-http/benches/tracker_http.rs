//! What a busy client asks of the codec.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::{hint::black_box, net::SocketAddr, time::Duration};

use bt_tracker_http::{Extras, HttpUrl, announce_url, parse_announce, server};
use bt_types::{AnnounceEvent, AnnounceRequest, AnnounceResponse, PeerId, SwarmId};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn parse(c: &mut Criterion) {
    let peers = (0..200).map(|n| SocketAddr::from(([10, 0, 0, n], 6881)));
    let response = AnnounceResponse {
        interval: Duration::from_secs(1800),
        peers: peers.collect(),
        ..AnnounceResponse::default()
    };
    let mut group = c.benchmark_group("tracker_http/parse_announce");
    group.throughput(Throughput::Elements(200));
    for (name, compact) in [("200_peers", true), ("200_listed_peers", false)] {
        let body = server::encode_announce(&response, compact);
        group.bench_function(name, |b| b.iter(|| parse_announce(black_box(&body))));
    }
    group.finish();
}

fn build(c: &mut Criterion) {
    let tracker: HttpUrl = "https://t.example/announce?k=v".parse().expect("a URL");
    let request = AnnounceRequest {
        swarm_id: SwarmId([0xff; 20]),
        peer_id: PeerId(*b"-XX0001-abcdefghijkl"),
        uploaded: 1,
        downloaded: 2,
        left: 3,
        event: AnnounceEvent::Started,
        key: 4,
        num_want: Some(200),
        port: 6881,
    };
    c.bench_function("tracker_http/announce_url/typical", |b| {
        b.iter(|| announce_url(&tracker, black_box(&request), &Extras::default()));
    });
}

criterion_group!(benches, parse, build);
criterion_main!(benches);
