//! Downloads that die at a byte drawn from a seed, on a disk that refuses, cuts and tears writes and,
//! in every other run, loses with the power what was not synced. Whatever the record says afterwards
//! is held against the bytes.

use std::{
    fmt, fs,
    io::{self, Write},
    ops::Range,
    path::PathBuf,
    sync::Arc,
};

use bt_storage::{
    FilePool, Storage,
    resume::{BootId, Place, Start},
};
use bt_types::{Bitfield, PieceIndex};
use rustix::io::Errno;

use super::{Entry, MIB, get::made_by_libtorrent, resume_record::boot_as};
use crate::{
    bt::{self, Bt, exit},
    fault_fs::{Call, Fault},
    foreign::{
        Torrent,
        libtorrent::{Format, Libtorrent},
    },
    harness::{Case, Context, Exit, Outcome, Payload, ensure, wait},
    pieces::Pieces,
    power_fs::{Lost, PowerFs},
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "resume/faults/6-seeds",
        run: |case| faults(case, 0..6),
    },
    Entry {
        name: "resume/faults/syncs-that-fail",
        run: syncs_that_fail,
    },
    Entry {
        name: "resume/faults/stopped-within-a-piece",
        run: stopped_within_a_piece,
    },
    Entry {
        name: "resume/faults/interrupted-when-complete",
        run: interrupted_when_complete,
    },
];

/// Of the long tier.
pub(super) const LONG_CASES: &[Entry] = &[Entry {
    name: "resume/faults/200-seeds",
    run: |case| faults(case, 0..200),
}];

fn faults(case: &Case<'_>, seeds: Range<u64>) -> Outcome {
    let mut world = World::new(case)?;
    for seed in seeds {
        case.forget_if_well(|| world.run(seed))
            .context(format_args!("seed {seed}"))?;
    }
    // Nobody reading on is no failure.
    let _ = write!(io::stdout().lock(), "{}", world.sum);
    world.sum.ensure_something_was_at_stake()
}

/// One on the way; that at the end, and those of the next run, succeed, and bring nothing of what it
/// should have brought.
fn syncs_that_fail(case: &Case<'_>) -> Outcome {
    let mut world = World::new(case)?;
    for seed in [9, 25] {
        world.run(seed).context(format_args!("seed {seed}"))?;
    }
    ensure!(world.sum.doubted_rightly > 0, "nothing was lost");
    Ok(())
}

/// Stopped well before its first piece is complete: blocks are on disk, and no piece that would have
/// been synced. The power fails after that, and with another seed each time.
fn stopped_within_a_piece(case: &Case<'_>) -> Outcome {
    let mut world = World::new(case)?;
    for seed in 0..16 {
        world.clear()?;
        let mut run = Run::new(seed);
        world.seeder.limit_upload(32 * 1024)?;
        let mut bt = world.get(&run, "bt-get", false)?;
        bt.wait_progress("has blocks", wait::TRANSFER, |progress| {
            progress.downloaded >= 16 * 1024
        })?;
        bt.interrupt()?;
        bt.wait_exit(exit::STOPPED, wait::SOON)?;
        world.lose_power(&mut run)?;
        world.believed(&run).context(format_args!("seed {seed}"))?;
    }
    ensure!(world.sum.blocks_believed > 0, "no block was believed");
    Ok(())
}

/// Who interrupts it when it is complete changes nothing of that, and what it leaves is closed.
fn interrupted_when_complete(case: &Case<'_>) -> Outcome {
    let mut world = World::new(case)?;
    for seed in 0..6 {
        world.clear()?;
        let mut run = Run::new(seed);
        let mut bt = world.get(&run, "bt-get", false)?;
        bt.wait_said("complete", wait::TRANSFER)?;
        bt.interrupt()?;
        bt.wait_exit(exit::DONE, wait::SOON)?;
        run.before = Before::Left {
            pieces: Bitfield::full(world.pieces.info().layout().piece_count()),
            is_clean: true,
        };
        world.lose_power(&mut run)?;
        world.believed(&run).context(format_args!("seed {seed}"))?;
    }
    Ok(())
}

/// One torrent, its seeder, and the disk to which it goes, for all runs.
struct World<'a> {
    case: &'a Case<'a>,
    payload: Payload,
    torrent: Torrent,
    pieces: Pieces,
    /// What the seeder has.
    source: PathBuf,
    seeder: Libtorrent,
    disk: PowerFs,
    sum: Sum,
}

/// One run: several lives of one download.
struct Run {
    seed: u64,
    draw: Draw,
    loses_power: bool,
    /// Of the machine.
    boot: u32,
    /// Whether the disk may have refused something so far.
    has_faults: bool,
    /// Whether a sync has failed since the machine was started.
    has_failed_syncs: bool,
    before: Before,
}

/// How the last life ended.
enum Before {
    /// There was none, or nothing need be known of it.
    Forgotten,
    /// It left these pieces on disk, and must know of them; if it ended well, without a doubt.
    Left { pieces: Bitfield, is_clean: bool },
}

/// What a start believes.
struct Belief {
    start: Start,
    /// Pieces that are there by luck: what was noted of them is lost.
    unknown: Vec<PieceIndex>,
}

/// What is to happen in a life.
struct Plan {
    upload_limit: u64,
    has_little_memory: bool,
    fault: Option<(Call, Fault, u32, u32)>,
    ending: Ending,
}

enum Ending {
    /// Killed while it writes this byte.
    Killed { at: u64 },
    /// Interrupted then, and perhaps killed while it ends.
    Stopped { at: u64, killed_after: Option<u64> },
}

impl<'a> World<'a> {
    fn new(case: &'a Case<'a>) -> Outcome<Self> {
        let payload = Payload::multi(LENGTH);
        let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
        let source = case.folder("seed")?;
        Ok(Self {
            pieces: Pieces::of(&torrent)?,
            seeder: Libtorrent::peer(case, "seeder", &torrent, &source)?.seed()?,
            disk: PowerFs::mount(case)?,
            sum: Sum::default(),
            case,
            payload,
            torrent,
            source,
        })
    }

    /// Has nothing on the disk but the two folders.
    fn clear(&mut self) -> Outcome {
        self.disk.calm()?;
        self.disk.format()?;
        for folder in [self.folder(), self.state()] {
            fs::create_dir(&folder).context("making a folder on the disk")?;
        }
        self.disk.settle()
    }

    fn run(&mut self, seed: u64) -> Outcome {
        self.clear()?;
        let mut run = Run::new(seed);
        self.sum.runs += 1;
        for life in 0..1 + run.draw.below(3) {
            self.live(&mut run, life)
                .context(format_args!("life {life}"))?;
            if run.loses_power {
                self.lose_power(&mut run)?;
            }
        }
        self.finish(&mut run).context("the last life")
    }

    /// One life, to its end.
    fn live(&mut self, run: &mut Run, life: u64) -> Outcome {
        let Belief { start, unknown } = self.believed(run)?;
        let missing = LENGTH - self.pieces.bytes_of(&start.trusted);
        let plan = run.plan(life, missing);
        let syncs_failed_before = self.disk.failed_syncs();
        self.seeder.limit_upload(plan.upload_limit)?;
        if let Some((call, fault, after, count)) = plan.fault {
            run.has_faults = true;
            self.disk.strike(call, fault, after, count)?;
        }
        match plan.ending {
            Ending::Killed { at } => self.disk.kill_after(at)?,
            Ending::Stopped { at, .. } => self.disk.watch(at)?,
        }
        let mut bt = self.get(run, &format!("bt-life-{life}"), plan.has_little_memory)?;
        if let Ending::Stopped { killed_after, .. } = plan.ending {
            wait::until("the byte is written", wait::TRANSFER, || {
                Ok((bt.poll_exit()?.is_some() || self.disk.has_reached()).then_some(()))
            })?;
            if let Some(bytes) = killed_after {
                self.disk.kill_after(bytes)?;
            }
            bt.interrupt()?;
        }
        let exit = bt.wait_end(wait::TRANSFER)?;
        self.disk.calm()?;
        run.has_failed_syncs |= self.disk.failed_syncs() > syncs_failed_before;
        self.ensure_same_belief(&bt, &start)?;
        let is_clean = match exit {
            Exit::Signal(SIGKILL) => {
                self.sum.killed += 1;
                false
            }
            Exit::Code(exit::STOPPED) => {
                ensure!(bt.latest("complete").is_err(), "complete, and then stopped");
                self.sum.stopped += 1;
                true
            }
            Exit::Code(exit::DONE) => {
                self.sum.completed += 1;
                true
            }
            other => return None.context(format_args!("bt ended with {other}")),
        };
        // What was written only may be lost with the power, and what could not be noted is not known.
        let is_known = (is_clean || !run.loses_power) && !run.has_faults;
        run.before = Before::Forgotten;
        if is_known {
            let mut pieces = self.pieces.good(&self.folder())?;
            unknown
                .into_iter()
                .for_each(|piece| _ = pieces.remove(piece));
            run.before = Before::Left { pieces, is_clean };
        }
        Ok(())
    }

    fn lose_power(&mut self, run: &mut Run) -> Outcome {
        run.boot += 1;
        run.has_failed_syncs = false;
        let lost = self.disk.lose_power(run.draw.next())?;
        self.sum.power_failures += 1;
        self.sum.lost += lost;
        Ok(())
    }

    /// The last life, which nothing disturbs; what it leaves outlives a power failure.
    fn finish(&mut self, run: &mut Run) -> Outcome {
        if run.has_failed_syncs {
            // As long as the machine runs nothing brings back what these have lost.
            self.lose_power(run)?;
            run.before = Before::Forgotten;
        }
        let Belief { start, .. } = self.believed(run)?;
        self.seeder.limit_upload(0)?;
        let mut bt = self.get(run, "bt-last", false)?;
        bt.wait_complete(wait::TRANSFER)?;
        self.ensure_same_belief(&bt, &start)?;
        self.payload.compare(&self.folder())?;
        run.before = Before::Left {
            pieces: Bitfield::full(self.pieces.info().layout().piece_count()),
            is_clean: true,
        };
        self.lose_power(run)?;
        self.payload.compare(&self.folder())?;
        self.believed(run)
            .context("after the end and a power failure")?;
        Ok(())
    }

    /// What a start would believe, which must be true.
    fn believed(&mut self, run: &Run) -> Outcome<Belief> {
        let info = Arc::clone(self.pieces.info());
        let storage = Storage::new(self.folder(), info, Arc::new(FilePool::new(4)));
        let place = Place::lock(&self.state(), &storage).context("taking the place")?;
        let boot = BootId::new(run.boot_name());
        let start = place.start(&storage, boot.as_ref()).context("looking")?;
        drop(place);

        let good = self.pieces.good(&self.folder())?;
        let false_claims: Vec<_> = start.trusted.iter_not_in(&good).collect();
        ensure!(
            false_claims.is_empty(),
            "pieces {false_claims:?} are believed, and are not there: {start:?}"
        );
        let layout = self.pieces.info().layout();
        for partial in &start.partial {
            let blocks = partial.slots.iter();
            for block in blocks.filter_map(|&slot| layout.block(partial.piece, slot)) {
                let found = self.pieces.read(&self.folder(), block)?;
                ensure!(
                    found == self.pieces.read(&self.source, block)?,
                    "{block} is believed, and is not there: {start:?}"
                );
                self.sum.blocks_believed += 1;
            }
        }
        let is_unknown = |piece: &PieceIndex| {
            let partial = start.partial.iter().any(|partial| partial.piece == *piece);
            !start.trusted.get(*piece) && !start.doubtful.get(*piece) && !partial
        };
        let unknown: Vec<_> = good.iter_ones().filter(is_unknown).collect();
        if let Before::Left { pieces, is_clean } = &run.before {
            let is_lost =
                |piece: &PieceIndex| is_unknown(piece) || *is_clean && start.doubtful.get(*piece);
            let lost: Vec<_> = pieces.iter_ones().filter(is_lost).collect();
            ensure!(
                lost.is_empty(),
                "pieces {lost:?} were there, and that is not known (after a clean end: {is_clean}): {start:?}"
            );
        }
        self.sum.believed += u64::from(start.trusted.count_ones());
        if run.boot > 0 {
            self.sum.believed_without_power += u64::from(start.trusted.count_ones());
        }
        self.sum.doubted += u64::from(start.doubtful.count_ones());
        self.sum.doubted_rightly += start.doubtful.iter_not_in(&good).count() as u64;
        Ok(Belief { start, unknown })
    }

    /// Whether `bt` found what was found here, if it came so far as to say it.
    fn ensure_same_belief(&self, bt: &Bt, start: &Start) -> Outcome {
        let expected = self.pieces.bytes_of(&start.trusted);
        let told = bt.told_start();
        ensure!(
            told.is_none_or(|told| told.resumed == expected),
            "{told:?}, though {expected} bytes can be believed"
        );
        Ok(())
    }

    fn get(&self, run: &Run, name: &str, has_little_memory: bool) -> Outcome<Bt> {
        bt::get(self.case, name, &self.torrent, &self.folder())?
            .peer(self.seeder.address())
            .with(|command| {
                command.arg("--state").arg(self.state());
                command.args(["--on-disk-error", "wait"]);
                if has_little_memory {
                    command.args(["--memory", "1M"]);
                }
                boot_as(self.case, command, &run.boot_name());
            })
            .start()
    }

    fn folder(&self) -> PathBuf {
        self.disk.path().join("got")
    }

    fn state(&self) -> PathBuf {
        self.disk.path().join("state")
    }
}

impl Run {
    fn new(seed: u64) -> Self {
        Self {
            draw: Draw(seed),
            loses_power: seed % 2 == 1,
            boot: 0,
            has_faults: false,
            has_failed_syncs: false,
            before: Before::Forgotten,
            seed,
        }
    }

    fn boot_name(&self) -> String {
        format!("{}-{}", self.seed, self.boot)
    }

    /// With so many bytes missing.
    fn plan(&mut self, life: u64, missing: u64) -> Plan {
        let draw = &mut self.draw;
        if life == 0 && self.seed % 16 == 9 {
            // As slow, and the sync on the way fails; the one at its end does not, and brings nothing
            // of what that should have brought.
            let syncs_of_start = 2;
            return Plan {
                upload_limit: 400 * 1024,
                has_little_memory: false,
                fault: Some((Call::Sync, Fault::Error(Errno::IO), syncs_of_start, 1)),
                ending: Ending::Stopped {
                    at: LENGTH / 10 * 8 + draw.below(LENGTH / 10),
                    killed_after: None,
                },
            };
        }
        if life == 0 && self.seed % 8 == 1 {
            // So slow that it syncs by itself on the way.
            return Plan {
                upload_limit: 400 * 1024,
                has_little_memory: false,
                fault: None,
                ending: Ending::Killed {
                    at: LENGTH / 10 * 7 + draw.below(LENGTH / 4),
                },
            };
        }
        let fault = match draw.below(8) {
            0 => Some((Call::Write, Fault::Error(Errno::NOSPC))),
            1 => Some((Call::Write, Fault::Error(Errno::IO))),
            2 => Some((Call::Write, Fault::Short(1 + draw.below(5000) as u32))),
            3 => Some((Call::Sync, Fault::Error(Errno::IO))),
            _ => None,
        };
        let after = match fault {
            // One of those with which a life begins, or ends.
            Some((Call::Sync, _)) => draw.below(12),
            _ => draw.below(150),
        };
        // The journal and the files that are made count, too.
        let at = draw.below(missing + 128 * 1024);
        Plan {
            upload_limit: [0, 8 * MIB, 4 * MIB, 2 * MIB][draw.below(4) as usize],
            has_little_memory: draw.below(4) == 0,
            fault: fault.map(|(call, fault)| {
                let count = 1 + draw.below(4) as u32;
                (call, fault, after as u32, count)
            }),
            ending: match draw.below(3) {
                0 => Ending::Stopped {
                    at,
                    killed_after: (draw.below(2) == 0).then(|| draw.below(128 * 1024)),
                },
                _ => Ending::Killed { at },
            },
        }
    }
}

/// What has happened in all runs.
#[derive(Debug, Default)]
struct Sum {
    runs: u64,
    killed: u64,
    stopped: u64,
    completed: u64,
    power_failures: u64,
    lost: Lost,
    /// Pieces that a start believed in, and that were there.
    believed: u64,
    /// Of these those of starts after the power had failed.
    believed_without_power: u64,
    /// Blocks of incomplete pieces.
    blocks_believed: u64,
    /// Pieces that a start would hash.
    doubted: u64,
    /// Of these those that were not there.
    doubted_rightly: u64,
}

impl Sum {
    /// Fails if nothing could have gone wrong.
    fn ensure_something_was_at_stake(&self) -> Outcome {
        let lost = &self.lost;
        for (what, number) in [
            ("life was ended by a kill", self.killed),
            ("write was dropped", lost.dropped),
            ("write was torn", lost.torn),
            ("piece was believed", self.believed),
            (
                "piece was believed after a power failure",
                self.believed_without_power,
            ),
            ("piece was in doubt and not there", self.doubted_rightly),
        ] {
            ensure!(number > 0, "no {what}");
        }
        Ok(())
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lost = &self.lost;
        writeln!(
            f,
            "  {} runs: {} lives killed, {} stopped, {} complete; {} power failures",
            self.runs, self.killed, self.stopped, self.completed, self.power_failures
        )?;
        writeln!(
            f,
            "  of writes that were not synced {} kept, {} dropped, {} torn; {} changes of folders dropped",
            lost.kept, lost.dropped, lost.torn, lost.changes_dropped
        )?;
        writeln!(
            f,
            "  {} pieces believed ({} after a power failure) and {} blocks, all of them there; {} in \
             doubt, {} of them not there",
            self.believed,
            self.believed_without_power,
            self.blocks_believed,
            self.doubted,
            self.doubted_rightly
        )
    }
}

/// Numbers from a seed.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

const LENGTH: u64 = 6 * MIB;
const SIGKILL: i32 = 9;
