use std::collections::BTreeMap;

use bt_client::Snapshot;
use console::Term;
use indicatif::{ProgressBar, ProgressStyle};

use super::{
    below::Below,
    words::{Amount, describe},
};
use crate::{format::printable, logging::BARS};

/// A bar for each torrent that is not done, and one for all of them; if there is only one torrent,
/// that is its own.
pub(crate) struct Bars {
    each: BTreeMap<usize, ProgressBar>,
    total: ProgressBar,
    below: Below,
}

impl Bars {
    pub(super) fn new() -> Self {
        let columns = Term::stderr().size().1;
        Self {
            each: BTreeMap::new(),
            total: BARS.add(ProgressBar::new(0).with_style(style(template_of_total(columns)))),
            below: Below::default(),
        }
    }

    pub(super) fn set_total(&self, amount: Amount, words: String) {
        set(&self.total, amount, words);
    }

    /// Of several.
    pub(super) fn set_one(&mut self, place: usize, snapshot: &Snapshot) {
        let bar = self.each.entry(place).or_insert_with(|| {
            let bar = ProgressBar::new(0).with_style(style(ONE));
            BARS.insert_before(&self.total, bar)
        });
        // That of a magnet link changes once it is known.
        bar.set_prefix(printable(&snapshot.name));
        set(bar, Amount::of(snapshot), describe(snapshot));
    }

    pub(super) fn remove_one(&mut self, place: usize) {
        if let Some(bar) = self.each.remove(&place) {
            bar.finish_and_clear();
            BARS.remove(&bar);
        }
    }

    /// For how many peers there is room below the bars.
    pub(super) fn room_below(&self) -> usize {
        let rows = usize::from(Term::stderr().size().0);
        // The bars, what is above them, and the lines about all of the peers have theirs.
        rows.saturating_sub(self.each.len() + 5).max(1)
    }

    /// Shows lines below the bars, in place of those that were there.
    pub(super) fn set_below(&mut self, lines: &[String]) {
        self.below.set(&BARS, lines);
    }

    pub(super) fn clear(&mut self) {
        self.set_below(&[]);
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

/// A narrow terminal has room for words, which tell more than the bar does.
fn template_of_total(columns: u16) -> &'static str {
    if columns < WIDE_ENOUGH_FOR_BAR {
        NARROW_TOTAL
    } else {
        TOTAL
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("━╸·")
}

/// Words are cut where the terminal ends: a line that wraps would not be drawn over.
const TOTAL: &str = "{percent:>3}% {bar:16} {wide_msg}";
const NARROW_TOTAL: &str = "{percent:>3}% {wide_msg}";
/// Room for amounts and one rate beside the bar.
const WIDE_ENOUGH_FOR_BAR: u16 = 60;
const ONE: &str = "{percent:>3}% {prefix:16!} {wide_msg}";

#[cfg(test)]
mod tests {
    use indicatif::{InMemoryTerm, ProgressDrawTarget};

    use super::*;

    fn drawn(columns: u16) -> String {
        let term = InMemoryTerm::new(10, columns);
        let target = ProgressDrawTarget::term_like(Box::new(term.clone()));
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let bar = bar.with_style(style(template_of_total(columns)));
        let words = "1.2 GiB of 4.0 GiB  ↓ 12.0 MiB/s  ↑ 1.0 MiB/s  12/40 peers";
        let amount = Amount {
            done: 30,
            total: 100,
        };
        set(&bar, amount, words.to_owned());
        bar.tick();
        term.contents()
    }

    #[test]
    fn nothing_wraps_and_the_rate_is_seen() {
        for columns in [40, 59, 60, 80, 200] {
            let drawn = drawn(columns);
            assert_eq!(drawn.lines().count(), 1, "{columns}: {drawn}");
            assert!(drawn.starts_with(" 30% "), "{columns}: {drawn}");
            assert!(drawn.contains("↓ 12.0 MiB/s"), "{columns}: {drawn}");
        }
        assert_eq!(drawn(20).lines().count(), 1);
    }
}
