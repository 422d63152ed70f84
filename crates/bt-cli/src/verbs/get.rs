use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bt_client::{
    AddError, AddTorrent, Choose, Limit, Mode, Session, Snapshot, State, Subject, Then,
    TorrentHandle, report::Total,
};
use bt_metainfo::{MagnetLink, Metainfo};

use crate::{
    arguments::Get,
    batch::Batch,
    choosing,
    exit::{Exit, Failure},
    format::{bytes, duration, printable, rate},
    interrupt::Interrupt,
    looks::Looks,
    progress::Progress,
    seeding::{self, Seeding},
    torrent_file,
    transfer::{self, timed_out},
};

pub(crate) fn run(get: &Get, quiet: bool) -> Result<(), Failure> {
    if get.sources.len() > 1 && get.choose.has_numbers() {
        let message = "numbers say which files of one torrent; of several, choose by pattern";
        return Err(Failure::new(Exit::Usage, message));
    }
    let mut sources: Vec<_> = get
        .sources
        .iter()
        .map(|source| wanted(get, source))
        .collect();
    if sources.len() == 1 {
        // Nothing is begun for it alone if it is bad.
        sources = vec![Ok(sources.remove(0)?)];
    }
    transfer::block_on(download(get, sources, quiet))
}

fn wanted(get: &Get, source: &Path) -> Result<AddTorrent, Failure> {
    let mut torrent = match torrent_file::is_magnet(source) {
        true => by_link(get, &torrent_file::read_link(source)?),
        false => by_file(get, &torrent_file::read_to_transfer(source)?)?,
    };
    torrent.part_names = get.choose.part_names;
    Ok(transfer::with_named(&get.network, torrent))
}

fn by_file(get: &Get, metainfo: &Metainfo) -> Result<AddTorrent, Failure> {
    let mut torrent = AddTorrent::from_file(metainfo, get.output.clone(), Mode::Get);
    torrent.subject = Subject::Info {
        info: Arc::clone(metainfo.info()),
        mode: Mode::Get,
        selection: Arc::new(choosing::selection(&get.choose, &[], metainfo.info())?),
    };
    Ok(torrent)
}

fn by_link(get: &Get, link: &MagnetLink) -> AddTorrent {
    let (choose, by_link) = (get.choose.clone(), link.files.clone());
    let choose = Choose::by(move |info| Ok(choosing::selection(&choose, &by_link, info)?));
    AddTorrent::from_link(link, get.output.clone(), Then::Get(choose))
}

async fn download(
    get: &Get,
    sources: Vec<Result<AddTorrent, Failure>>,
    quiet: bool,
) -> Result<(), Failure> {
    let mut interrupt = Interrupt::listen()?;
    let mut download = Download::start(get, sources, quiet)?;
    let given_up = tokio::select! {
        biased;
        () = interrupt.requested() => Some("interrupted"),
        result = download.finish() => {
            result?;
            None
        }
        () = timed_out(get.timeout) => Some("timed out"),
    };
    // Who has fetched everything may stop serving it at any time.
    let given_up = given_up.filter(|_| download.lacks_something());
    match given_up {
        Some(_) => interrupt.end_at_next(|| {}),
        None => interrupt.ends_anyway(),
    }
    download.end(given_up).await
}

/// One torrent, or several: what goes wrong with one of several does not stop the others.
struct Download<'a> {
    get: &'a Get,
    started: Instant,
    /// After how long the last of them was fetched.
    fetched_in: Duration,
    progress: Progress,
    session: Session,
    batch: Batch,
    /// As many as in the batch.
    torrents: Vec<Torrent>,
    /// Which source failed, and how.
    failures: Vec<(usize, Exit)>,
}

struct Torrent {
    /// The place of its source.
    source: usize,
    told: Told,
    /// What was last said to limit it.
    limit: Option<&'static str>,
    /// How long it is served, if at all.
    seeding: Option<Seeding>,
}

impl Torrent {
    /// Whether nothing is left to do for it.
    fn is_done(&self) -> bool {
        match self.told {
            Told::Nothing => false,
            Told::Complete => self.seeding.is_none(),
            Told::Seeded | Told::Failed => true,
        }
    }
}

/// What the user knows of how a torrent ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Told {
    Nothing,
    Complete,
    /// For as long as was wished.
    Seeded,
    /// Perhaps after it was complete: there may be a disk that can no longer be read.
    Failed,
}

impl Told {
    /// What there is to tell now, if anything.
    fn next(self, state: &State) -> Option<Self> {
        let next = match state {
            State::Seeding if self == Self::Nothing => Self::Complete,
            State::Failed(_) => Self::Failed,
            _ => return None,
        };
        (next != self).then_some(next)
    }
}

impl<'a> Download<'a> {
    fn start(
        get: &'a Get,
        sources: Vec<Result<AddTorrent, Failure>>,
        quiet: bool,
    ) -> Result<Self, Failure> {
        let started = Instant::now();
        let progress = Progress::new(get.network.json, quiet);
        let session = transfer::open(&get.network, &progress, quiet)?;
        let mut download = Self {
            get,
            started,
            fetched_in: Duration::ZERO,
            progress,
            session,
            batch: Batch::new(),
            torrents: Vec::new(),
            failures: Vec::new(),
        };
        for (source, wanted) in sources.into_iter().enumerate() {
            let added = wanted.and_then(|wanted| download.add(source, wanted, quiet));
            match added {
                Ok(Some(handle)) => {
                    download.batch.add(handle);
                    download.torrents.push(Torrent {
                        source,
                        told: Told::Nothing,
                        limit: None,
                        seeding: get.seeding(),
                    });
                }
                Ok(None) => {}
                Err(failure) => {
                    download.batch.add_not_started();
                    download.failed(source, None, failure)?;
                }
            }
        }
        Ok(download)
    }

    /// `None` if another source has named the same torrent.
    fn add(
        &self,
        source: usize,
        torrent: AddTorrent,
        quiet: bool,
    ) -> Result<Option<TorrentHandle>, Failure> {
        if !quiet {
            transfer::warn_if_lonely(&self.get.network.finding, &torrent);
        }
        let name = torrent.name();
        match self.session.add(torrent) {
            Ok(handle) => Ok(Some(handle)),
            Err(AddError::AlreadyAdded) => {
                let source = shown(&self.get.sources[source]);
                self.progress
                    .tell(&format!("{source} is the same torrent as one before it"));
                Ok(None)
            }
            Err(error) => Err(transfer::not_added(&name, &error)),
        }
    }

    /// Until each torrent is complete, and served for long enough, or has failed.
    async fn finish(&mut self) -> Result<(), Failure> {
        let mut looks = Looks::new();
        while !self.torrents.iter().all(Torrent::is_done) {
            let served = self.torrents.iter().filter(|it| it.told == Told::Complete);
            let deadlines = served.filter_map(|it| it.seeding.as_ref()?.deadline());
            tokio::select! {
                () = seeding::until(deadlines.min()) => {}
                place = self.batch.changed() => self.show(place?)?,
                () = looks.next(), if self.get.watch.peers => self.show_peers().await,
            }
            self.end_seeding();
        }
        Ok(())
    }

    fn show(&mut self, place: usize) -> Result<(), Failure> {
        let snapshot = self.batch.snapshot(place);
        let torrent = &mut self.torrents[place];
        let news = torrent.told.next(&snapshot.state);
        if let Some(told) = news {
            torrent.told = told;
            self.fetched_in = self.started.elapsed();
            if torrent.is_done() {
                self.progress.settled(&self.batch, place);
            }
        }
        if news == Some(Told::Complete) {
            let words = summary(&snapshot, self.fetched_in);
            self.progress.complete(&snapshot, &words);
        } else if news.is_some()
            && let State::Failed(error) = &snapshot.state
        {
            let (source, failure) = (torrent.source, transfer::failure(error));
            self.failed(source, Some(&snapshot), failure)?;
        } else if !torrent.is_done() {
            if self.get.watch.why {
                self.show_why(place, &snapshot);
            }
            self.progress.show_one_of(&self.batch, place);
        }
        Ok(())
    }

    async fn show_peers(&mut self) {
        let mut all = Vec::new();
        for (place, torrent) in self.torrents.iter().enumerate() {
            if !torrent.is_done() {
                all.push((place, self.batch.peers(place).await));
            }
        }
        self.progress.show_peers(&self.batch, all);
    }

    /// Tells what limits a torrent, if that is something else than before.
    fn show_why(&mut self, place: usize, snapshot: &Snapshot) {
        let limit = snapshot.limit.filter(|limit| *limit != Limit::Complete);
        let torrent = &mut self.torrents[place];
        if let Some(limit) = limit.filter(|limit| torrent.limit != Some(limit.name())) {
            torrent.limit = Some(limit.name());
            self.progress.why(&self.batch, place, &limit);
        }
    }

    /// Stops those that have been served for long enough; the others go on.
    fn end_seeding(&mut self) {
        let now = Instant::now();
        for place in 0..self.torrents.len() {
            let torrent = &mut self.torrents[place];
            let Some(seeding) = &mut torrent.seeding else {
                continue;
            };
            if torrent.told != Told::Complete {
                continue;
            }
            let snapshot = self.batch.snapshot(place);
            if let Some(goal) = seeding.reached(now, &snapshot) {
                torrent.told = Told::Seeded;
                let elapsed = seeding.elapsed(now);
                self.batch.stop_one(place);
                self.progress.settled(&self.batch, place);
                self.progress.seeded(
                    &snapshot,
                    goal,
                    elapsed,
                    &seeding::summary(&snapshot, elapsed),
                );
            }
        }
    }

    /// The end of it, if there is only one.
    fn failed(
        &mut self,
        source: usize,
        snapshot: Option<&Snapshot>,
        failure: Failure,
    ) -> Result<(), Failure> {
        if !self.has_several() {
            return Err(failure);
        }
        let exit = failure.exit;
        let failure = match snapshot {
            Some(snapshot) => failure.of(&printable(&snapshot.name)),
            None => failure,
        };
        let source_shown = self.get.sources[source].to_string_lossy();
        self.progress.failed(&source_shown, snapshot, &failure);
        self.failures.push((source, exit));
        Ok(())
    }

    /// Stops everything; `given_up` if that was before the end, and why.
    async fn end(mut self, given_up: Option<&str>) -> Result<(), Failure> {
        self.progress.clear();
        let total = self.batch.total();
        if given_up.is_none() && self.has_several() {
            let words = summary_of_all(&total, self.fetched_in);
            let words = (self.batch.started() > 0).then_some(&*words);
            self.progress.all_done(&total, words);
        }
        let now = Instant::now();
        let only = (self.batch.started() == 1).then(|| self.batch.snapshot(0));
        self.batch.stop().await;
        self.session.close().await;
        for (place, torrent) in self.torrents.iter().enumerate() {
            if let (Told::Complete, Some(seeding)) = (torrent.told, &torrent.seeding) {
                let snapshot = self.batch.snapshot(place);
                let words = seeding::summary(&snapshot, seeding.elapsed(now));
                self.progress.tell(&words);
            }
        }
        // The disk may have failed at the very end.
        for place in 0..self.batch.started() {
            if let State::Failed(_) = self.batch.snapshot(place).state {
                self.show(place)?;
            }
        }
        if let Some(why) = given_up {
            if let Some(only) = only.filter(|only| matches!(only.state, State::Metadata { .. })) {
                return Err(transfer::stopped_without_metadata(why, &only));
            }
            return Err(transfer::stopped(why, &self.batch.total()));
        }
        match self.failures.iter().min_by_key(|(source, _)| *source) {
            Some(&(_, exit)) => {
                let (count, of) = (self.failures.len(), total.torrents);
                let message = format!("{count} of {of} torrents failed");
                Err(Failure::new(exit, message))
            }
            None => Ok(()),
        }
    }

    fn lacks_something(&self) -> bool {
        self.torrents.iter().any(|it| it.told == Told::Nothing)
    }

    fn has_several(&self) -> bool {
        self.get.sources.len() > 1
    }
}

fn summary(snapshot: &Snapshot, elapsed: Duration) -> String {
    let stats = &snapshot.stats;
    let what = printable(&snapshot.name);
    let fetched = fetched(stats.downloaded, elapsed);
    let wanted = bytes(stats.wanted_bytes_total);
    let left_out = match snapshot.files_left_out {
        0 => String::new(),
        count => {
            let files = if count == 1 { "file" } else { "files" };
            let size = bytes(stats.bytes_total - stats.wanted_bytes_total);
            format!("; {count} {files} left out, {size}")
        }
    };
    match stats.downloaded {
        0 => format!("{what}: {wanted} were here already{left_out}"),
        _ => format!("{what}: {wanted} complete, {fetched}{left_out}"),
    }
}

fn summary_of_all(total: &Total, elapsed: Duration) -> String {
    let Total {
        torrents, complete, ..
    } = total;
    let done = bytes(total.wanted_bytes_done);
    let fetched = fetched(total.downloaded, elapsed);
    format!("{complete} of {torrents} torrents complete: {done}, {fetched}")
}

fn fetched(downloaded: u64, elapsed: Duration) -> String {
    let average = downloaded as f64 / elapsed.as_secs_f64();
    format!(
        "{} fetched in {} ({})",
        bytes(downloaded),
        duration(elapsed),
        rate(average as u64)
    )
}

fn shown(source: &Path) -> String {
    printable(&source.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bt_client::TorrentError;

    use super::*;

    #[test]
    fn each_end_is_told_once_and_a_failure_also_after_completion() {
        let failed = State::Failed(Arc::new(TorrentError::DataIncomplete {
            pieces_good: 1,
            piece_count: 2,
        }));
        for (told, state, news) in [
            (Told::Nothing, &State::Downloading, None),
            (Told::Nothing, &State::Seeding, Some(Told::Complete)),
            (Told::Complete, &State::Seeding, None),
            (Told::Complete, &State::Stopped, None),
            (Told::Seeded, &State::Seeding, None),
            (Told::Seeded, &State::Stopped, None),
            (Told::Seeded, &failed, Some(Told::Failed)),
            (Told::Complete, &failed, Some(Told::Failed)),
            (Told::Nothing, &failed, Some(Told::Failed)),
            (Told::Failed, &failed, None),
        ] {
            assert_eq!(told.next(state), news, "{told:?}, then {state:?}");
        }
    }
}
