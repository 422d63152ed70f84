use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Lines below the bars that are drawn over as these are.
#[derive(Debug, Default)]
pub(super) struct Below(Vec<ProgressBar>);

impl Below {
    /// Shows these lines in place of those that were there.
    pub(super) fn set(&mut self, bars: &MultiProgress, lines: &[String]) {
        for line in self.0.drain(lines.len().min(self.0.len())..) {
            line.finish_and_clear();
            bars.remove(&line);
        }
        while self.0.len() < lines.len() {
            let style = ProgressStyle::with_template(LINE);
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            self.0.push(bars.add(ProgressBar::new(0).with_style(style)));
        }
        for (line, words) in self.0.iter().zip(lines) {
            line.set_message(words.clone());
        }
    }
}

/// Cut where the terminal ends: a line that wraps would not be drawn over.
const LINE: &str = "{wide_msg}";

#[cfg(test)]
mod tests {
    use indicatif::{InMemoryTerm, ProgressDrawTarget};

    use super::*;

    #[test]
    fn lines_are_drawn_over_and_cut() {
        let term = InMemoryTerm::new(10, 20);
        let target = ProgressDrawTarget::term_like(Box::new(term.clone()));
        let bars = MultiProgress::with_draw_target(target);
        let above = bars
            .add(ProgressBar::new(1).with_style(ProgressStyle::with_template("above").unwrap()));
        above.tick();
        let mut below = Below::default();
        for lines in [
            &["one", "two and more than there is room for", "three"][..],
            &["two"],
            &["one", "two"],
            &[],
        ] {
            let words: Vec<_> = lines.iter().map(|&line| line.to_owned()).collect();
            below.set(&bars, &words);
            let shown = term.contents();
            let shown: Vec<_> = shown.lines().map(str::trim_end).collect();
            assert_eq!(shown.len(), 1 + lines.len(), "{shown:?}");
            assert_eq!(shown[0], "above");
            for (shown, words) in shown[1..].iter().zip(lines) {
                assert!(
                    words.starts_with(shown) && shown.len() >= words.len().min(20),
                    "{shown}"
                );
            }
        }
    }
}
