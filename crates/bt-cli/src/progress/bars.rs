use std::collections::BTreeMap;

use bt_client::Snapshot;
use indicatif::{ProgressBar, ProgressStyle};

use super::words::{Amount, describe};
use crate::{format::printable, logging::BARS};

/// A bar for each torrent that is not done, and one for all of them; if there is only one torrent,
/// that is its own.
pub(crate) struct Bars {
    each: BTreeMap<usize, ProgressBar>,
    total: ProgressBar,
}

impl Bars {
    pub(super) fn new() -> Self {
        Self {
            each: BTreeMap::new(),
            total: BARS.add(ProgressBar::new(0).with_style(style(TOTAL))),
        }
    }

    pub(super) fn set_total(&self, amount: Amount, words: String) {
        set(&self.total, amount, words);
    }

    /// Of several.
    pub(super) fn set_one(&mut self, place: usize, snapshot: &Snapshot) {
        let bar = self.each.entry(place).or_insert_with(|| {
            let bar = ProgressBar::new(0).with_style(style(ONE));
            BARS.insert_before(&self.total, bar.with_prefix(printable(&snapshot.name)))
        });
        set(bar, Amount::of(snapshot), describe(snapshot));
    }

    pub(super) fn remove_one(&mut self, place: usize) {
        if let Some(bar) = self.each.remove(&place) {
            bar.finish_and_clear();
            BARS.remove(&bar);
        }
    }

    pub(super) fn clear(&mut self) {
        for bar in self.each.values().chain([&self.total]) {
            bar.finish_and_clear();
        }
        self.each.clear();
    }
}

fn set(bar: &ProgressBar, amount: Amount, words: String) {
    bar.set_length(amount.total);
    bar.set_position(amount.done);
    bar.set_message(words);
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("━╸·")
}

/// Words are cut where the terminal ends: a line that wraps would not be drawn over.
const TOTAL: &str = "{percent:>3}% {bar:16} {wide_msg}";
const ONE: &str = "{percent:>3}% {prefix:16!} {wide_msg}";
