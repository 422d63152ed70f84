//! Simulated swarms, by `cargo xtask sim SCENARIO --peers N --seed S`.

use std::{process::ExitCode, time::Duration};

use bt_sim::{Access, Rate};
use bt_tests::{NodeSpec, World, WorldConfig, fluid_lower_bound};

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "that is its job")]
fn main() -> ExitCode {
    match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => {
            println!("{}", run(&arguments));
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("sim: {message}\nusage: sim homogeneous [--peers N] [--seed S]");
            ExitCode::from(2)
        }
    }
}

struct Arguments {
    peers: usize,
    seed: u64,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self {
            peers: 100,
            seed: 1,
        };
        match words.next().as_deref() {
            Some("homogeneous") => {}
            Some(other) => return Err(format!("no scenario is called {other}")),
            None => return Err("a scenario is missing".to_owned()),
        }
        while let Some(option) = words.next() {
            let value = words.next().and_then(|value| value.parse().ok());
            let value: u64 = value.ok_or_else(|| format!("{option} wants a number"))?;
            match option.as_str() {
                "--peers" => arguments.peers = value as usize,
                "--seed" => arguments.seed = value,
                _ => return Err(format!("{option} is not an option")),
            }
        }
        Ok(arguments)
    }
}

/// Everybody has the same line; the last line of the text is the ratio to what is possible.
fn run(arguments: &Arguments) -> String {
    let (up, down) = (Rate::mbit_per_sec(10), Rate::mbit_per_sec(100));
    let access = Access {
        up,
        down,
        delay: Duration::from_micros(12_500),
        loss: 0.0,
    };
    let mut world = World::new(WorldConfig {
        seed: arguments.seed,
        piece_count: 1000,
        piece_length: 256 * 1024,
        peers_returned: 50,
        max_peers: 50,
        memory_bytes: 32 << 20,
    });
    world.add(NodeSpec::seed(access));
    for _ in 0..arguments.peers {
        world.add(NodeSpec::leecher(access));
    }
    let lines = vec![(up.get(), down.get()); arguments.peers];
    let bound = fluid_lower_bound(world.total_bytes(), up.get(), &lines);
    let report = world.run(bound * 20);
    let ratio = match report.last_completion() {
        Some(last) => format!("{:.2}", last.as_secs_f64() / bound.as_secs_f64()),
        None => "inf".to_owned(),
    };
    format!(
        "{report}\nbound: {:.1} s\nbound_ratio: {ratio}",
        bound.as_secs_f64()
    )
}
