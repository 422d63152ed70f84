//! The simulator's network: whatever is sent, nobody is faster than its line, and streams keep
//! their order.

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use bt_sim::{Access, EventQueue, Network, NodeId, Rate, SimRng};

/// Decodes lines and what is sent over them.
pub fn run(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let mut network = Network::new(SimRng::new(input.seed));
    let rates = input
        .rates
        .map(|rate| Rate::bytes_per_sec(u64::from(rate) + 1));
    for rate in rates {
        let delay = Duration::from_millis(10);
        network.add(Access {
            up: rate,
            down: rate,
            delay,
            loss: 0.0,
        });
    }
    let mut queue = EventQueue::new();
    let mut now = Duration::ZERO;
    let mut last = [[Duration::ZERO; NODES]; NODES];
    let mut sent = [0; NODES];
    for send in input.sends {
        now += Duration::from_micros(u64::from(send.wait));
        let (from, to) = (usize::from(send.from) % NODES, usize::from(send.to) % NODES);
        let bytes = u64::from(send.bytes);
        let at = network.transfer(now, NodeId(from as u32), NodeId(to as u32), bytes);
        sent[from] += bytes;
        assert!(at >= now && at >= last[from][to], "a stream lost its order");
        assert!(
            at >= rates[from].time_for(sent[from]),
            "faster than the line"
        );
        last[from][to] = at;
        queue.schedule_at(at, at);
    }
    let mut clock = Duration::ZERO;
    while let Some((at, scheduled)) = queue.pop() {
        assert!(at == scheduled && at >= clock, "the clock ran backwards");
        clock = at;
    }
}

#[derive(Arbitrary)]
struct Input {
    seed: u64,
    rates: [u32; NODES],
    sends: Vec<Send>,
}

#[derive(Arbitrary)]
struct Send {
    from: u8,
    to: u8,
    bytes: u16,
    wait: u16,
}

const NODES: usize = 4;
