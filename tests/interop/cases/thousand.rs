//! A thousand torrents at once, and what their trackers see of it.

use std::{
    collections::HashMap,
    fs,
    io::Write,
    mem,
    process::Command,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use bt_metainfo::{InfoBuilder, MetainfoBuilder};
use bt_tracker_http::server;
use bt_types::{AnnounceEvent, AnnounceResponse, SwarmId};

use super::Entry;
use crate::{
    bt::{self, exit},
    foreign::Torrent,
    harness::{Case, Context, Outcome, ensure, wait},
    own_tracker::OwnTracker,
    web_server::{WebServer, response},
};

pub(super) const CASES: &[Entry] = &[Entry {
    name: "thousand/announces",
    run: announces,
}];

/// Each names a tracker by HTTP, one of six that do not answer before the first has heard of all
/// torrents, and one by UDP. Nobody is held up by those six, each of which has two requests to hold, and
/// nobody hears of a torrent twice.
fn announces(case: &Case<'_>) -> Outcome {
    let desk = Arc::new(Desk::default());
    let web = (0..TRACKERS).map(|which| tracker(case, &desk, which));
    let web = web.collect::<Outcome<Vec<_>>>()?;
    let udp = OwnTracker::start(case)?;
    let torrents = (0..COUNT).map(|number| {
        let web = [&web[QUICK], &web[slow(number)]].map(|tracker| tracker.url("/announce"));
        torrent(case, number, &[&web[0], &web[1], &udp.url()])
    });
    let torrents = torrents.collect::<Outcome<Vec<_>>>()?;

    let mut bt = bt::get(case, "bt-get", &torrents[0], &case.folder("got")?)?
        .with(|command| {
            command.args(torrents[1..].iter().map(|torrent| &torrent.path));
            few_open_files(command);
        })
        .start()?;
    wait::until("the web has heard of all", wait::TRANSFER, || {
        bt.ensure_running()?;
        Ok(desk.lock().has_heard_of_all().then_some(()))
    })?;
    for torrent in &torrents {
        wait::until("the UDP tracker has heard of all", wait::SOON, || {
            let announces = udp.stats(torrent)?.announces;
            Ok((announces.started == 1).then_some(()))
        })?;
    }
    let heard = desk.lock();
    for tracker in &heard.trackers {
        let mut counts = tracker.starts.values();
        ensure!(counts.all(|count| *count == 1), "one was started twice");
    }
    let most = heard.trackers.each_ref().map(|tracker| tracker.most);
    ensure!(
        most.iter().all(|most| *most <= OF_ONE) && heard.most <= OF_ALL,
        "{most:?} requests at once, {} together",
        heard.most
    );
    let held = heard.held;
    ensure!(
        held == OF_STRANGER * (TRACKERS - 1),
        "{held} requests were held by those who do not answer"
    );
    drop(heard);
    bt.interrupt()?;
    bt.wait_exit(exit::STOPPED, wait::SOON)
}

/// As a login shell starts programs.
fn few_open_files(command: &mut Command) {
    let plain = mem::replace(command, Command::new("sh"));
    command
        .args(["-c", "ulimit -S -n 1024 && exec \"$0\" \"$@\""])
        .arg(plain.get_program())
        .args(plain.get_args());
    for (name, value) in plain.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
}

/// Of one small file that nobody has.
fn torrent(case: &Case<'_>, number: usize, trackers: &[&str; 3]) -> Outcome<Torrent> {
    let name = format!("file-{number}");
    let hash = bt_hash::sha1(name.as_bytes());
    let info = InfoBuilder::new(&name, 16 << 10)
        .single_file(16 << 10)
        .pieces([hash])
        .build()
        .context("building a torrent")?;
    let tiers = trackers.iter();
    let file = tiers.fold(MetainfoBuilder::new(info.raw()), |file, url| {
        file.tier([*url])
    });
    let path = case.path().join(format!("{name}.torrent"));
    fs::write(&path, file.encode()).context("writing a torrent")?;
    Ok(Torrent {
        path,
        info_hash: info.ids().v1().map(|hash| hash.to_string()),
        info_hash_v2: None,
    })
}

/// A tracker that knows nobody, and never wants to hear from anybody again.
fn tracker(case: &Case<'_>, desk: &Arc<Desk>, which: usize) -> Outcome<WebServer> {
    let desk = Arc::clone(desk);
    WebServer::start(case, move |target, stream| {
        let open = desk.open(which);
        if which != QUICK {
            desk.wait_until_the_quick_one_has_heard_of_all();
        }
        let body = match server::Request::parse(target) {
            Ok(server::Request::Announce(announce)) => {
                desk.note(which, &announce);
                let interval = wait::TRANSFER * 10;
                server::encode_announce(
                    &AnnounceResponse {
                        interval,
                        min_interval: Some(interval),
                        ..AnnounceResponse::default()
                    },
                    true,
                )
            }
            other => server::encode_refusal(&format!("{other:?}"), Default::default()),
        };
        // Whoever has the answer may have asked again before this thread goes on.
        drop(open);
        stream.write_all(&response("200 OK", "", &body))
    })
}

/// Which of the slow trackers a torrent names.
fn slow(number: usize) -> usize {
    1 + number % (TRACKERS - 1)
}

/// Where the web's trackers write down what comes.
#[derive(Default)]
struct Desk {
    heard: Mutex<Heard>,
    changed: Condvar,
}

#[derive(Default)]
struct Heard {
    trackers: [OfOne; TRACKERS],
    /// How many requests there are now, of all, and have been at most.
    open: usize,
    most: usize,
    /// How many there were of all but the quick one when that had heard of all torrents.
    held: usize,
}

#[derive(Default)]
struct OfOne {
    /// How often it was told that we start, of each torrent.
    starts: HashMap<SwarmId, u32>,
    open: usize,
    most: usize,
}

/// A request that is not answered yet.
struct Open<'a>(&'a Desk, usize);

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, which: usize) -> Open<'_> {
        let heard = &mut *self.lock();
        heard.open += 1;
        heard.most = heard.most.max(heard.open);
        let tracker = &mut heard.trackers[which];
        tracker.open += 1;
        tracker.most = tracker.most.max(tracker.open);
        Open(self, which)
    }

    fn note(&self, which: usize, announce: &server::Announce) {
        let request = &announce.request;
        if request.event == AnnounceEvent::Started {
            let heard = &mut *self.lock();
            let starts = &mut heard.trackers[which].starts;
            *starts.entry(request.swarm_id).or_default() += 1;
            if which == QUICK && starts.len() == COUNT {
                let slow = heard.trackers.iter().skip(1);
                heard.held = slow.map(|tracker| tracker.open).sum();
            }
        }
        self.changed.notify_all();
    }

    fn wait_until_the_quick_one_has_heard_of_all(&self) {
        let is_early = |heard: &mut Heard| heard.trackers[QUICK].starts.len() < COUNT;
        // If that is in vain, the case fails for it.
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), wait::TRANSFER, is_early);
        drop(waited);
    }
}

impl Heard {
    fn has_heard_of_all(&self) -> bool {
        let slow = self.trackers.iter().skip(1);
        let by_slow: usize = slow.map(|tracker| tracker.starts.len()).sum();
        self.trackers[QUICK].starts.len() == COUNT && by_slow == COUNT
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let heard = &mut *self.0.lock();
        heard.open -= 1;
        heard.trackers[self.1].open -= 1;
    }
}

const COUNT: usize = 1000;
/// In the web: a quick one and six that are slow.
const TRACKERS: usize = 7;
const QUICK: usize = 0;
/// Requests that a web server has to answer at a time, before it has answered any, then, and all
/// together.
const OF_STRANGER: usize = 2;
const OF_ONE: usize = 10;
const OF_ALL: usize = 50;
