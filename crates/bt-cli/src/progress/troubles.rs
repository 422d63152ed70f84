use std::{collections::BTreeMap, sync::Arc};

use bt_client::{DiskTrouble, Snapshot, State, report::Report};

/// Which torrents wait for their disks, as far as machines have been told.
#[derive(Default)]
pub(crate) struct Troubles(BTreeMap<String, Arc<DiskTrouble>>);

impl Troubles {
    /// What there is to tell, if anything has changed.
    pub(super) fn news(&mut self, snapshot: &Snapshot) -> Vec<Report> {
        let id = snapshot.info_hash();
        let now = match &snapshot.state {
            State::DiskTrouble(trouble) => Some(trouble),
            // It is over, one way or another, and nobody waits for the disk any more.
            State::Stopped | State::Failed(_) => return Vec::new(),
            _ => None,
        };
        let told = self.0.remove(&id);
        let mut news = Vec::new();
        if let Some(told) = told.as_ref().filter(|told| Some(*told) != now) {
            news.push(Report::disk_recovered(snapshot, told.since.elapsed()));
        }
        if let Some(trouble) = now {
            if told.as_ref() != Some(trouble) {
                news.push(Report::disk_trouble(snapshot, trouble));
            }
            self.0.insert(id, Arc::clone(trouble));
        }
        news
    }
}
