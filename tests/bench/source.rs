//! The seeder and the tracker of a run: each run has its own, so that no tracker tells of those who
//! came before.

use std::{net::SocketAddrV4, path::Path, time::Duration};

use bt_tests::{
    foreign::{Torrent, opentracker::Opentracker},
    harness::{Context, Outcome, Process, Usage, ports::free_port},
};

use crate::{client::Bench, clients::libtorrent, network};

/// A libtorrent 2.0 in its fastest settings, which an opentracker knows.
#[derive(Debug)]
pub(crate) struct Source {
    seeder: Process,
    at_rest: Usage,
    _tracker: Opentracker,
}

impl Source {
    /// Waits until it can be found.
    pub(crate) fn start(
        bench: &Bench<'_>,
        torrent: &Torrent,
        folder: &Path,
        tracker: SocketAddrV4,
    ) -> Outcome<Self> {
        let started = Opentracker::start(bench.case, tracker, torrent)?;
        let address = SocketAddrV4::new(network::SOURCE, free_port()?);
        let command = libtorrent::seeder(bench, &torrent.path, folder, address)?;
        let mut seeder = bench.case.spawn("seeder", command)?;
        seeder.wait_event("has checked its data", CHECK, |event| {
            (event["event"] == "seeding").then_some(())
        })?;
        started.wait_seeders(torrent, 1)?;
        let at_rest = seeder.usage_so_far();
        Ok(Self {
            at_rest: at_rest.context("the seeder has ended")?,
            seeder,
            _tracker: started,
        })
    }

    /// What the seeder has cost since it was ready, in CPU seconds.
    pub(crate) fn cpu_secs(&self) -> Outcome<f64> {
        let now = self.seeder.usage_so_far();
        let now = now.context("the seeder has ended")?;
        let total = |usage: Usage| usage.user + usage.system;
        Ok((total(now) - total(self.at_rest)).as_millis() as f64 / 1000.0)
    }
}

/// Some GiB at some hundred MB/s, on a busy machine.
const CHECK: Duration = Duration::from_secs(600);
