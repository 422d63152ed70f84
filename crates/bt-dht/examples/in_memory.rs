//! Some nodes that find one another, and a peer, without sockets: datagrams are handed from one to
//! the other, and time is made up.
//!
//! ```text
//! cargo run -p bt-dht --example in_memory
//! ```
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example: it takes a time to begin with from the clock, and prints"
)]

use std::{
    collections::BTreeMap,
    error::Error,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bt_dht::{Announce, Config, Dht, Event, Family, OperationId};
use bt_types::SwarmId;

/// Nodes by address; what one sends arrives twenty milliseconds later.
struct Network {
    now: Instant,
    nodes: BTreeMap<SocketAddr, Dht>,
}

impl Network {
    /// Lets the nodes talk until the operation of one of them is over.
    fn finish(&mut self, of: SocketAddr, id: OperationId) -> Vec<Event> {
        let mut learnt = Vec::new();
        let mut is_over = false;
        while !is_over {
            let mut flying = Vec::new();
            for (from, dht) in &mut self.nodes {
                let mut datagram = Vec::new();
                while let Some(to) = dht.poll_transmit(&mut datagram) {
                    flying.push((*from, to, datagram.clone()));
                }
                while let Some(event) = dht.poll_event() {
                    let is_end = matches!(&event, Event::Finished { id: of, .. } if *of == id);
                    if *from == of {
                        is_over |= is_end;
                        learnt.push(event);
                    }
                }
            }
            let due = self.nodes.values().map(Dht::poll_timeout).min();
            self.now = match due {
                Some(due) if flying.is_empty() => self.now.max(due),
                _ => self.now + Duration::from_millis(20),
            };
            for (from, to, datagram) in flying {
                if let Some(dht) = self.nodes.get_mut(&to) {
                    if let Err(ignored) = dht.handle_datagram(self.now, from, &datagram) {
                        println!("{to} ignores a datagram of {from}: {ignored}");
                    }
                }
            }
            for dht in self.nodes.values_mut() {
                dht.handle_timeout(self.now);
            }
        }
        learnt
    }

    fn node(&mut self, addr: SocketAddr) -> Result<&mut Dht, Box<dyn Error>> {
        Ok(self.nodes.get_mut(&addr).ok_or("there is no such node")?)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let now = Instant::now();
    let addresses: Vec<SocketAddr> = (1..=9).map(|n| ([40 + n, n, 0, 1], 6881).into()).collect();
    let node = |(n, addr): (usize, &SocketAddr)| {
        let mut dht = Dht::new(now, Config::default(), [n as u8; 32]);
        // Otherwise it learns its address from the others, and then takes another id.
        dht.set_external_address(now, addr.ip());
        (*addr, dht)
    };
    let nodes = addresses.iter().enumerate().map(node).collect();
    let mut network = Network { now, nodes };

    for addr in &addresses[1..] {
        let id = network.node(*addr)?.bootstrap(now, &addresses[..1])?;
        network.finish(*addr, id);
    }
    let swarm: SwarmId = "c0fda1edafdbdbb96443424e0b3899af7159d10e".parse()?;
    let announce = Announce {
        port: 7777,
        implied_port: false,
        is_seed: true,
    };
    let (seed, seeker) = (addresses[2], addresses[7]);
    let now = network.now;
    let id = network.node(seed)?.announce(now, swarm, announce)?;
    println!("{seed} announces: {:?}", network.finish(seed, id).last());

    let now = network.now;
    let seeker_node = network.node(seeker)?;
    println!(
        "{seeker} knows {} nodes",
        seeker_node.node_count(Family::V4)
    );
    let id = seeker_node.get_peers(now, swarm)?;
    for event in network.finish(seeker, id) {
        println!("{seeker} learns: {event:?}");
    }
    Ok(())
}
