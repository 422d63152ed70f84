//! What is asked of the DHT by hand.

mod asking;
mod items;
mod shown;

use std::{
    hash::{BuildHasher, RandomState},
    net::SocketAddr,
};

use bt_client::{DhtClient, DhtConfig, DhtQuery};
use bt_dht::{Event, NodeId, Outcome};
use bt_types::SwarmId;

use self::{
    asking::Asking,
    shown::{Peers, Pong, Sampled, Scraped},
};
use super::announce::of_torrent;
use crate::{
    arguments::{Dht, DhtScrape, DhtVerb, GetPeers, Ping, Sample, Swarm},
    exit::{Exit, Failure},
    format::{in_full, printable},
    json, stdout,
    transfer::block_on,
};

pub(crate) fn run(dht: &Dht) -> Result<(), Failure> {
    match &dht.verb {
        DhtVerb::GetPeers(get) => block_on(get_peers(get, id_of(&get.swarm)?)),
        DhtVerb::Scrape(scrape) => block_on(estimate(scrape, id_of(&scrape.swarm)?)),
        DhtVerb::Ping(it) => block_on(ping(it)),
        DhtVerb::Get(get) => block_on(items::get(get)),
        DhtVerb::Put(put) => block_on(items::put(put)),
        DhtVerb::Sample(it) => block_on(sample(it)),
    }
}

fn id_of(swarm: &Swarm) -> Result<SwarmId, Failure> {
    match swarm {
        Swarm::Id(id) => Ok(*id),
        Swarm::Torrent(path) => of_torrent(path).map(|(id, _)| id),
    }
}

async fn get_peers(get: &GetPeers, swarm: SwarmId) -> Result<(), Failure> {
    let mut asking = Asking::start(&get.how)?;
    let mut found: Vec<SocketAddr> = Vec::new();
    let ended = asking
        .ask(DhtQuery::GetPeers(swarm), |event| match event {
            Event::Peers { peers, .. } => {
                found.extend(&peers);
                // People see them as they come.
                let is_for_people = !get.how.json;
                let write = |out: &mut dyn std::io::Write| {
                    peers.iter().try_for_each(|peer| writeln!(out, "{peer}"))
                };
                match is_for_people {
                    true => stdout::print(write).map(|_| ()),
                    false => Ok(()),
                }
            }
            _ => Ok(()),
        })
        .await?;
    asking.close().await;
    if get.how.json {
        let peers = Peers::new(swarm, &found, ended.figures);
        stdout::print(|out| json::write(out, &peers))?;
    }
    ended.check()?;
    match found.is_empty() {
        true => Err(Failure::other("no node knows a peer of this torrent")),
        false => Ok(()),
    }
}

async fn estimate(scrape: &DhtScrape, swarm: SwarmId) -> Result<(), Failure> {
    let mut asking = Asking::start(&scrape.how)?;
    let ended = asking.ask(DhtQuery::Scrape(swarm), |_| Ok(())).await?;
    asking.close().await;
    let outcome = ended.check()?;
    let Some(scraped) = Scraped::new(swarm, outcome) else {
        return Err(Failure::other("no node tells how many are in this torrent"));
    };
    stdout::print(|out| match scrape.how.json {
        true => json::write(out, &scraped),
        false => scraped.write_for_people(out),
    })
    .map(|_| ())
}

async fn ping(ping: &Ping) -> Result<(), Failure> {
    let name = printable(&ping.node);
    // It is asked without anybody else.
    let nobody = DhtConfig {
        bootstrap: Vec::new(),
        ..DhtConfig::default()
    };
    let client = DhtClient::start(&nobody, None, None);
    let client = client.map_err(|error| Failure::other(in_full(&error)))?;
    let mut asking = Asking::with(client, ping.timeout)?;
    let node = asking.look_up(&ping.node).await?;
    let ended = asking.ask(DhtQuery::Ping(node), |_| Ok(())).await?;
    match ended.outcome()? {
        Outcome::Answered { id, round_trip } => {
            let pong = Pong::new(node, id, round_trip);
            stdout::print(|out| match ping.json {
                true => json::write(out, &pong),
                false => pong.write_for_people(out),
            })
            .map(|_| ())
        }
        _ => Err(Failure::new(
            Exit::Stopped,
            format!("{name} does not answer"),
        )),
    }
}

async fn sample(sample: &Sample) -> Result<(), Failure> {
    let mut asking = Asking::start(&sample.how)?;
    let target = sample.target.unwrap_or_else(any_id);
    let mut nodes = 0;
    let ended = asking
        .ask(DhtQuery::Sample(target), |event| {
            let Some(sampled) = Sampled::of(&event) else {
                return Ok(());
            };
            nodes += 1;
            stdout::print(|out| match sample.how.json {
                true => json::write(out, &sampled),
                false => sampled.write_for_people(out),
            })
            .map(|_| ())
        })
        .await?;
    asking.close().await;
    ended.check()?;
    match nodes {
        0 => Err(Failure::other("no node gives samples")),
        _ => Ok(()),
    }
}

/// Somewhere in the DHT; that it cannot be foretold is not needed.
fn any_id() -> NodeId {
    let mut id = [0; 20];
    for part in id.chunks_mut(8) {
        let random = RandomState::new().hash_one(0).to_be_bytes();
        part.copy_from_slice(&random[..part.len()]);
    }
    NodeId(id)
}
