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
    /// By the path that the torrent gives; of several the first.
    files: HashMap<&'e str, usize>,
    links: HashMap<&'e str, &'e str>,
    folders: HashSet<&'e str>,
    /// Look-ups left, for all links of the torrent together.
    budget: u32,
}

impl<'e> Resolver<'e> {
    fn new(entries: &'e [Entry], paths: &'e [RelativePath]) -> Self {
        let mut resolver = Self {
            paths,
            files: HashMap::new(),
            links: HashMap::new(),
            folders: HashSet::new(),
            budget: MAX_LOOK_UPS,
        };
        for (index, entry) in entries.iter().enumerate() {
            let path = entry.path.as_str();
            match &entry.kind {
                EntryKind::Pad => continue,
                EntryKind::Data => {
                    resolver.files.entry(path).or_insert(index);
                }
                EntryKind::Link { target } => {
                    resolver.links.entry(path).or_insert(target);
                }
            }
            let mut folder = path;
            while let Some(slash) = folder.rfind('/') {
                folder = &folder[..slash];
                if !resolver.folders.insert(folder) {
                    break;
                }
            }
        }
        resolver
    }

    fn resolve(&mut self, link: &str, target: &str) -> Option<RelativePath> {
        let mut target = target.to_owned();
        for _ in 0..MAX_HOPS {
            self.spend(2)?;
            if let Some(&file) = self.files.get(target.as_str()) {
                return Some(self.paths[file].clone());
            }
            if self.folders.contains(target.as_str()) {
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
                let stepped = [target, &path[end..]].concat();
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

/// Links through which one target may lead; also ends loops. macOS bundles need two.
const MAX_HOPS: usize = 8;
/// Enough for 100,000 honest links; a malicious torrent costs a fraction of a second.
const MAX_LOOK_UPS: u32 = 1_000_000;
/// A little more than the longest path of a file.
const MAX_TARGET_LENGTH: usize = 2048;
