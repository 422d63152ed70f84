use super::{Deed, Ending, Sample, samples};

/// The corpus as a page for people, in Markdown.
#[must_use]
pub fn table() -> String {
    let samples = samples();
    let mut page = HEAD.replace("COUNT", &samples.len().to_string());
    for theme in samples.chunk_by(|a, b| a.theme() == b.theme()) {
        let name = theme.first().map_or("", Sample::theme);
        page += &format!("\n## {name}\n\n{COLUMNS}");
        for sample in theme {
            page += &row(sample);
        }
    }
    page
}

fn row(sample: &Sample) -> String {
    let (_, name) = sample.name.split_once('/').unwrap_or(("", sample.name));
    let endings = Deed::ALL.map(|deed| match sample.ending(deed) {
        None => "–".to_owned(),
        Some(Ending { exit_code, says }) => {
            let is_known = deed != Deed::Show && (exit_code != 3);
            match says {
                _ if is_known => exit_code.to_string(),
                says => format!("{exit_code} {}", code(says)),
            }
        }
    });
    let cells = endings.join(" | ");
    format!(
        "| {name} | {} | {cells} |\n",
        sample.purpose.replace('|', "\\|")
    )
}

fn code(text: &str) -> String {
    // Blanks in a row count, and Markdown would make one of them.
    let words: Vec<_> = text.split_whitespace().collect();
    let text = words.join(" ").replace('|', "\\|");
    format!("`{text}`")
}

const HEAD: &str = "\
<!-- Written by `cargo xtask corpus` from tests/src/corpus.rs; do not edit. -->
# Odd, large and hostile torrents

What `bt` does with COUNT torrents that are made to try it. Each is made by a few lines in
`tests/src/corpus/`, the same bytes every time; `cargo xtask interop corpus` runs the binary on every
one and holds it to this table. Numbers are exit codes:

- `0` done. What is shown holds these words; what is fetched is compared byte by byte, and nothing
  else is written, inside the download folder or outside.
- `3` stopped by `--timeout`: there is no data that would fit to the torrent.
- `4` refused, with the same words by each command that refuses it, in one line. What is refused by
  `get` alone is a v2-only torrent: those are shown and verified, but not transferred yet.
- `6` the data is not there, or not right.

No command panics, says more than one line about an error, takes more than 256 MiB, or takes long.
";
const COLUMNS: &str = "\
| torrent | what is odd | `show` | `verify`, no data | `verify` | `get` |
|---|---|---|---|---|---|
";
