use std::collections::{HashMap, HashSet};

use super::entry::{Entry, EntryKind};
use crate::RelativePath;

/// The targets of all links, in order; `None` for a link that must not be made.
///
/// A target may be named through other links, as macOS bundles do, but is then replaced by what it
/// comes down to: a data file or a folder. So no link depends on another one, none dangles, and
/// none leaves the torrent.
pub(super) fn resolve_links(
    entries: &[Entry],
    paths: &[RelativePath],
) -> Vec<Option<RelativePath>> {
    let is_link = |entry: &Entry| matches!(entry.kind, EntryKind::Link { .. });
    if !entries.iter().any(is_link) {
        return Vec::new();
    }
    let mut resolver = Resolver::new(entries, paths);
    let links = entries.iter().filter_map(|entry| match &entry.kind {
        EntryKind::Link { target } => Some(resolver.resolve(&entry.path, target)),
        EntryKind::Data | EntryKind::Pad => None,
    });
    links.collect()
}

struct Resolver<'e> {
    paths: &'e [RelativePath],
    places: Places<'e>,
    /// Where each link points, if that is somewhere.
    links: HashMap<&'e str, String>,
    /// Look-ups left, for all links of the torrent together.
    budget: u32,
}

/// What stands where, by the path that the torrent gives.
#[derive(Default)]
struct Places<'e> {
    /// Of several files of one path the first.
    files: HashMap<&'e str, usize>,
    links: HashSet<&'e str>,
    folders: HashSet<&'e str>,
}

impl<'e> Places<'e> {
    fn add(&mut self, index: usize, entry: &'e Entry) {
        let mut path = entry.path.as_str();
        match &entry.kind {
            EntryKind::Pad => return,
            EntryKind::Data => {
                self.files.entry(path).or_insert(index);
            }
            EntryKind::Link { .. } => {
                self.links.insert(path);
            }
        }
        while let Some(folder) = folder_of(path) {
            if !self.folders.insert(folder) {
                break;
            }
            path = folder;
        }
    }

    fn contains(&self, path: &str) -> bool {
        self.files.contains_key(path) || self.folders.contains(path) || self.links.contains(path)
    }

    /// BEP 47 counts targets from the torrent's folder. Some creators count from the link's, as
    /// the file system does; where only that leads somewhere, it is meant (so libtorrent).
    fn target_of(&self, link: &str, target: &str) -> String {
        if !self.contains(target) {
            let folder = folder_of(link).unwrap_or(link);
            let inner = target.find('/').map_or("", |slash| &target[slash..]);
            let beside = [folder, inner].concat();
            if self.contains(&beside) {
                return beside;
            }
        }
        target.to_owned()
    }
}

impl<'e> Resolver<'e> {
    fn new(entries: &'e [Entry], paths: &'e [RelativePath]) -> Self {
        let mut places = Places::default();
        for (index, entry) in entries.iter().enumerate() {
            places.add(index, entry);
        }
        let mut links = HashMap::new();
        for entry in entries {
            if let EntryKind::Link { target } = &entry.kind {
                let path = entry.path.as_str();
                let pointed = || places.target_of(path, target);
                links.entry(path).or_insert_with(pointed);
            }
        }
        Self {
            paths,
            places,
            links,
            budget: MAX_LOOK_UPS,
        }
    }

    fn resolve(&mut self, link: &str, target: &str) -> Option<RelativePath> {
        let mut target = self.places.target_of(link, target);
        for _ in 0..MAX_HOPS {
            self.spend(2)?;
            if let Some(&file) = self.places.files.get(target.as_str()) {
                return Some(self.paths[file].clone());
            }
            if self.places.folders.contains(target.as_str()) {
                let is_around_link = link
                    .strip_prefix(target.as_str())
                    .is_some_and(|rest| rest.starts_with('/'));
                return (!is_around_link).then(|| RelativePath::from_sanitised(target));
            }
            target = self.step_through_link(&target)?;
        }
        None
    }

    /// The path with its first part that is a link replaced by where that points.
    fn step_through_link(&mut self, path: &str) -> Option<String> {
        let slashes = path.match_indices('/').map(|(at, _)| at);
        for end in slashes.chain([path.len()]) {
            self.spend(1)?;
            if let Some(target) = self.links.get(&path[..end]) {
                let stepped = [target.as_str(), &path[end..]].concat();
                return (stepped.len() <= MAX_TARGET_LENGTH).then_some(stepped);
            }
        }
        None
    }

    /// `None` once the budget is spent.
    fn spend(&mut self, look_ups: u32) -> Option<()> {
        self.budget = self.budget.checked_sub(look_ups)?;
        Some(())
    }
}

fn folder_of(path: &str) -> Option<&str> {
    path.rfind('/').map(|slash| &path[..slash])
}

/// Links through which one target may lead; also ends loops. macOS bundles need two.
const MAX_HOPS: usize = 8;
/// Enough for 100,000 honest links; a malicious torrent costs a fraction of a second.
const MAX_LOOK_UPS: u32 = 1_000_000;
/// A little more than the longest path of a file.
const MAX_TARGET_LENGTH: usize = 2048;
