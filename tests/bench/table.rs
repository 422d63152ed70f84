//! One piece of work that all clients do in turn, round by round.

use std::{
    env, fs,
    net::SocketAddrV4,
    path::{Path, PathBuf},
    process::Command,
};

use bt_metainfo::Metainfo;
use bt_sim::SimRng;
use bt_tests::{
    foreign::Torrent,
    harness::{
        Case, Context, Exit, Failure, Outcome, Payload, ensure, interrupt, ports::free_port, wait,
    },
};
use bt_types::PieceIndex;
use serde_json::{Value, json};

use crate::{
    arguments::Arguments,
    client::{Bench, Client, Task, Work},
    clients::{self, libtorrent},
    dht::{self, Dht},
    lines, machine, measure, network,
    source::Source,
    swarm,
};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Table {
    Download,
    Files,
    Verify,
    Create,
    Swarm,
    Magnet,
}

impl Table {
    pub(crate) const ALL: [Self; 6] = [
        Self::Download,
        Self::Files,
        Self::Verify,
        Self::Create,
        Self::Swarm,
        Self::Magnet,
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Files => "files",
            Self::Verify => "verify",
            Self::Create => "create",
            Self::Swarm => "swarm",
            Self::Magnet => "magnet",
        }
    }

    fn work(self) -> Work {
        match self {
            Self::Download | Self::Files => Work::Download,
            Self::Verify => Work::Verify,
            Self::Create => Work::Create,
            Self::Swarm => Work::Leech,
            Self::Magnet => Work::Magnet,
        }
    }

    /// How often each client runs, if nobody says. A swarm takes long, and waits most of it for its
    /// lines: so it hardly notices what else the machine does.
    fn rounds(self) -> usize {
        match self {
            Self::Swarm => 3,
            _ => 7,
        }
    }

    /// How many times the payload lies on disk while a client runs.
    fn copies(self) -> u64 {
        match self {
            Self::Swarm => 1 + swarm::LEECHERS as u64,
            _ => 2,
        }
    }

    fn payload(self, size: Option<u64>) -> Payload {
        match self {
            Self::Download => Payload::single(size.unwrap_or(2 * GIB)),
            Self::Files => Payload::many_between(20_000, 4 * KIB..=64 * KIB),
            Self::Verify | Self::Create => Payload::single(size.unwrap_or(4 * GIB)),
            Self::Swarm => Payload::single(size.unwrap_or(32 * 1024 * KIB)),
            Self::Magnet => Payload::single(size.unwrap_or(256 * 1024 * KIB)),
        }
    }

    fn piece_length(self) -> u64 {
        match self {
            Self::Files | Self::Swarm | Self::Magnet => 256 * KIB,
            _ => 1024 * KIB,
        }
    }
}

/// Runs a table and gives its part of the results.
///
/// # Errors
/// If it cannot begin. That a client is missing or fails is a result.
pub(crate) fn run(table: Table, arguments: &Arguments) -> Outcome<Value> {
    let payload = table.payload(arguments.size);
    let file_system =
        machine::file_system(&env::temp_dir(), table.copies() * payload.length() + GIB)?;
    let case = Case::new(&arguments.settings, 0)?;
    let bench = Bench { case: &case };
    let (present, missing) = roll_call(table, arguments, &bench)?;
    let load_before = machine::load()?;

    let stage = Stage::set(table, &bench, &payload);
    let stage = stage.inspect_err(|_| eprint!("{}", case.log_tails(LINES_SHOWN)))?;
    let mut results = Vec::new();
    let mut rng = SimRng::new(ORDER_SEED);
    let rounds = arguments.rounds.unwrap_or(table.rounds());
    for round in 0..rounds {
        // Nobody always runs after the same neighbour, who leaves dirt behind or lets the machine
        // fall asleep.
        let mut order: Vec<_> = present.iter().map(|&(client, _)| client).collect();
        rng.shuffle(&mut order);
        for client in order {
            let outcome = stage.run(&bench, client, round);
            // It has failed for that, which says nothing of the client.
            ensure!(!interrupt::requested(), "interrupted");
            let said = match &outcome {
                Ok((cost, _)) => cost.to_string(),
                Err(reason) => format!("FAILED: {reason}"),
            };
            eprintln!("{} {}: {said}", table.name(), client.name);
            let mut result = match outcome {
                Ok((cost, seeder)) => {
                    let mut result = cost.to_json();
                    result["seeder_cpu_secs"] = seeder.into();
                    result
                }
                // The rest of it tells of this machine.
                Err(reason) => {
                    let reason = reason.to_string();
                    json!({ "failed": reason.lines().next() })
                }
            };
            result["client"] = client.name.into();
            result["round"] = round.into();
            results.push(result);
        }
    }
    let clients = present.iter().map(|(client, version)| {
        json!({
            "name": client.name,
            "version": version,
            "settings": client.settings,
            "is_optional": client.is_optional,
        })
    });
    Ok(json!({
        "name": table.name(),
        "payload_bytes": payload.length(),
        "files": payload.files().count(),
        "piece_length": table.piece_length(),
        "file_system": file_system,
        "swarm": (table == Table::Swarm).then(|| swarm::describe(payload.length())),
        "dht_nodes": (table == Table::Magnet).then_some(dht::NODES),
        "rounds": rounds,
        "load_before": load_before,
        "load_after": machine::load()?,
        "clients": clients.collect::<Vec<_>>(),
        "missing": missing,
        "runs": results,
    }))
}

type Present = (&'static Client, String);

/// Who is here, with versions, and who is not.
fn roll_call(
    table: Table,
    arguments: &Arguments,
    bench: &Bench<'_>,
) -> Outcome<(Vec<Present>, Vec<Value>)> {
    for name in &arguments.clients {
        ensure!(
            clients::ALL.iter().any(|client| client.name == name),
            "there is no client called {name}, only {:?}",
            clients::ALL
        );
    }
    let is_wanted = |client: &&Client| {
        let wanted = &arguments.clients;
        let is_named = wanted.is_empty() || wanted.iter().any(|name| name == client.name);
        is_named && client.works.contains(&table.work())
    };
    let (mut present, mut missing) = (Vec::new(), Vec::new());
    for client in clients::ALL.iter().filter(is_wanted) {
        match (client.version)(bench) {
            Ok(version) => present.push((client, version)),
            Err(reason) => {
                eprintln!("{} {}: MISSING: {reason}", table.name(), client.name);
                missing.push(json!({
                    "name": client.name,
                    "reason": reason.to_string(),
                    "is_optional": client.is_optional,
                }));
            }
        }
    }
    ensure!(!present.is_empty(), "nobody is here for {}", table.name());
    Ok((present, missing))
}

/// What is made once for a table.
struct Stage<'a> {
    table: Table,
    payload: &'a Payload,
    torrent: PathBuf,
    /// Holds the original of the payload.
    original: PathBuf,
    tracker: SocketAddrV4,
}

impl<'a> Stage<'a> {
    fn set(table: Table, bench: &Bench<'_>, payload: &'a Payload) -> Outcome<Self> {
        eprintln!("{}: making {} bytes", table.name(), payload.length());
        let original = bench.case.folder("original")?;
        payload.write_to(&original)?;
        sync(&original)?;
        let tracker = match table {
            Table::Swarm => lines::SWITCH,
            _ => network::SOURCE,
        };
        let tracker = SocketAddrV4::new(tracker, free_port()?);
        let torrent = bench.case.path().join("payload.torrent");
        let content = original.join(&payload.name);
        let url = format!("udp://{tracker}/announce");
        let url = (table != Table::Magnet).then_some(url.as_str());
        let piece_length = table.piece_length();
        let creator = libtorrent::creator(bench, &content, &torrent, piece_length, url)?;
        let mut creator = bench.case.spawn("creator", creator)?;
        let exit = creator.wait_exit(wait::TRANSFER)?;
        ensure!(exit == Exit::Code(0), "no torrent could be made: {exit}");
        Ok(Self {
            table,
            payload,
            torrent,
            original,
            tracker,
        })
    }

    /// One run, and the CPU seconds of the seeder meanwhile.
    fn run(
        &self,
        bench: &Bench<'_>,
        client: &Client,
        round: usize,
    ) -> Outcome<(measure::Cost, Option<f64>)> {
        let work = self.table.work();
        let folders = Folders::new(bench)?;
        if self.table == Table::Swarm {
            return Ok((self.swarm(bench, client, &folders)?, None));
        }
        if self.table == Table::Magnet {
            return Ok((self.magnet(bench, client, &folders)?, None));
        }
        let task = Task {
            bench,
            work,
            torrent: &match work {
                Work::Create => folders.fresh.join("made.torrent"),
                _ => self.torrent.clone(),
            },
            content: &self.original.join(&self.payload.name),
            folder: match work {
                Work::Download => &folders.fresh,
                _ => &self.original,
            },
            scratch: &folders.scratch,
            address: SocketAddrV4::new(network::LEECHER, free_port()?),
            tracker: self.tracker,
            dht_node: None,
            piece_length: self.table.piece_length(),
        };
        let job = (client.job)(&task)?;
        let source = match work {
            Work::Download => Some(self.source(bench)?),
            _ => None,
        };
        if work == Work::Download {
            machine::touch_memory(&folders.scratch, self.payload.length() / 2 * 3)?;
        }
        let cost = measure::run(bench.case, client.name, job)?;
        let seeder = source.as_ref().map(Source::cpu_secs).transpose()?;
        drop(source);
        // Once for each client: it takes longer than the run.
        if round == 0 {
            match work {
                Work::Download => self.payload.compare(&folders.fresh)?,
                Work::Create => self.compare(task.torrent)?,
                _ => {}
            }
        }
        Ok((cost, seeder))
    }

    fn swarm(
        &self,
        bench: &Bench<'_>,
        client: &Client,
        folders: &Folders,
    ) -> Outcome<measure::Cost> {
        let setting = swarm::Setting {
            bench,
            payload: self.payload,
            torrent: &described(&self.torrent)?,
            piece_length: self.table.piece_length(),
            original: &self.original,
            tracker: self.tracker,
            fresh: &folders.fresh,
            scratch: &folders.scratch,
        };
        swarm::run(&setting, client)
    }

    fn magnet(
        &self,
        bench: &Bench<'_>,
        client: &Client,
        folders: &Folders,
    ) -> Outcome<measure::Cost> {
        let torrent = described(&self.torrent)?;
        let mut dht = Dht::start(bench, &torrent, &self.original)?;
        let task = Task {
            bench,
            work: Work::Magnet,
            torrent: &torrent.by_link("")?.path,
            content: &self.original.join(&self.payload.name),
            folder: &folders.fresh,
            scratch: &folders.scratch,
            address: SocketAddrV4::new(dht::CLIENT, free_port()?),
            tracker: self.tracker,
            dht_node: Some(dht.way_in()),
            piece_length: self.table.piece_length(),
        };
        let job = (client.job)(&task)?;
        measure::run_until_sent(bench.case, client.name, job.command, dht.seeder())
    }

    fn source(&self, bench: &Bench<'_>) -> Outcome<Source> {
        let torrent = described(&self.torrent)?;
        Source::start(bench, &torrent, &self.original, self.tracker)
    }

    /// Fails unless `made` has the pieces that libtorrent came to. The info hash may differ: some
    /// write keys that others leave out.
    fn compare(&self, made: &Path) -> Outcome {
        let hashes = |path: &Path| {
            let metainfo = read(path)?;
            let info = metainfo.info();
            let pieces = 0..info.layout().piece_count();
            let hashes = pieces.map(|piece| info.piece_hash(PieceIndex::new(piece)));
            Outcome::Ok(hashes.collect::<Vec<_>>())
        };
        ensure!(
            hashes(made)? == hashes(&self.torrent)?,
            "the torrent has other hashes than libtorrent's"
        );
        Ok(())
    }
}

/// What a run writes to; gone with it.
struct Folders {
    fresh: PathBuf,
    scratch: PathBuf,
}

impl Folders {
    fn new(bench: &Bench<'_>) -> Outcome<Self> {
        let folders = Self {
            fresh: bench.case.folder("fresh")?,
            scratch: bench.case.folder("scratch")?,
        };
        // What others left to be written must not slow down this one.
        sync(&folders.fresh)?;
        Ok(folders)
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        for folder in [&self.fresh, &self.scratch] {
            // What stays behind goes with the folder of the bench.
            let _ = fs::remove_dir_all(folder);
        }
    }
}

fn read(torrent: &Path) -> Outcome<Metainfo> {
    let doing = format!("reading {}", torrent.display());
    Metainfo::from_bytes(&fs::read(torrent).context(&doing)?).context(&doing)
}

fn described(torrent: &Path) -> Outcome<Torrent> {
    Ok(Torrent {
        path: torrent.to_owned(),
        info_hash: read(torrent)?
            .info()
            .ids()
            .v1()
            .map(|hash| hash.to_string()),
        info_hash_v2: None,
    })
}

/// Writes out what the file system of `folder` holds back.
fn sync(folder: &Path) -> Outcome {
    let status = Command::new("sync").arg("-f").arg(folder).status();
    let status = status.context("running sync")?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("sync: {status}")))
}

/// Every run of the program has the same order.
const ORDER_SEED: u64 = 1;
/// Of everybody's log, when nothing can begin.
const LINES_SHOWN: usize = 5;
const KIB: u64 = 1 << 10;
const GIB: u64 = 1 << 30;
