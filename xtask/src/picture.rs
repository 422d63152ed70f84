//! The README's picture: `bt demo` in a terminal, recorded, as an SVG that plays itself.

use std::{
    fmt::Write as _,
    fs,
    io::Read,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{Result, cmd::Cmd, run, workspace};

/// Records `bt demo` and writes `docs/demo.svg`.
pub(crate) fn record() -> Result {
    Cmd::cargo(&["build", "--release", "-p", "bt-cli"]).run()?;
    let recording = Recording::of(&run::release_binary("bt"), "demo --size 1G")?;
    let path = workspace::root().join("docs/demo.svg");
    fs::create_dir_all(workspace::root().join("docs"))?;
    fs::write(&path, recording.to_svg("bt demo --size 1G"))?;
    println!("{} frames in {}", recording.frames.len(), path.display());
    Ok(())
}

/// What a terminal showed, and when.
struct Recording {
    frames: Vec<(Duration, Vec<String>)>,
    length: Duration,
}

impl Recording {
    /// `script` lends a terminal to the command, so that it behaves as for a person.
    fn of(program: &str, arguments: &str) -> Result<Self> {
        let line = format!("stty cols {COLUMNS} rows {ROWS}; exec {program} {arguments}");
        let mut child = Command::new("script")
            .args([
                "--quiet",
                "--return",
                "--flush",
                "--command",
                &format!("sh -c '{line}'"),
            ])
            .arg("/dev/null")
            .current_dir(workspace::root())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot run script (util-linux): {error}"))?;
        let mut output = child.stdout.take().ok_or("no output to record")?;
        let mut terminal = vt100::Parser::new(ROWS, COLUMNS, 0);
        #[expect(clippy::disallowed_methods, reason = "a recording has a time line")]
        let (start, now) = (Instant::now(), Instant::now);
        let mut frames: Vec<(Duration, Vec<String>)> = Vec::new();
        let mut bytes = [0; 4096];
        loop {
            let count = output.read(&mut bytes)?;
            if count == 0 {
                break;
            }
            terminal.process(&bytes[..count]);
            let at = now().duration_since(start);
            let screen: Vec<String> = terminal
                .screen()
                .rows(0, COLUMNS)
                .map(|row| row.trim_end().to_owned())
                .collect();
            match frames.last_mut() {
                Some((_, last)) if *last == screen => {}
                Some((since, last)) if at < *since + SHORTEST_FRAME => *last = screen,
                _ => frames.push((at, screen)),
            }
        }
        if !child.wait()?.success() {
            return Err("the recorded command failed".into());
        }
        let length = now().duration_since(start) + REST;
        Ok(Self { frames, length })
    }

    fn to_svg(&self, command: &str) -> String {
        let used = self.frames.iter().flat_map(|(_, rows)| {
            rows.iter()
                .enumerate()
                .filter(|(_, row)| !row.is_empty())
                .map(|(row, _)| row)
        });
        let rows = used.max().unwrap_or(0) + 2;
        let width = usize::from(COLUMNS) * COLUMN_PIXELS + 2 * MARGIN;
        let height = rows * ROW_PIXELS + 2 * MARGIN;
        let total = self.length.as_secs_f64();
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"ui-monospace, Menlo, Consolas, monospace\" font-size=\"14\">\n\
             <title>{command}</title>\n\
             <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#16181d\"/>\n<style>\
             text{{fill:#d7dae0;white-space:pre}}.p{{fill:#7ec699}}\
             g{{visibility:hidden;animation:{total:.2}s step-end infinite}}\n"
        );
        for (index, (at, _)) in self.frames.iter().enumerate() {
            let from = at.as_secs_f64() / total * 100.0;
            let next = self
                .frames
                .get(index + 1)
                .map_or(total, |(next, _)| next.as_secs_f64());
            let to = next / total * 100.0;
            let _ = writeln!(
                svg,
                "#f{index}{{animation-name:k{index}}}@keyframes k{index}{{0%{{visibility:hidden}}\
                 {from:.3}%{{visibility:visible}}{to:.3}%{{visibility:hidden}}}}"
            );
        }
        // Where nothing moves, the last frame says it all.
        let last = self.frames.len().saturating_sub(1);
        let _ = writeln!(
            svg,
            "@media (prefers-reduced-motion){{g{{animation:none}}#f{last}{{visibility:visible}}}}\
             </style>"
        );
        let _ = writeln!(svg, "{}", text(0, "p", &format!("$ {command}")));
        for (index, (_, rows)) in self.frames.iter().enumerate() {
            let _ = write!(svg, "<g id=\"f{index}\">");
            for (row, content) in rows.iter().enumerate().filter(|(_, row)| !row.is_empty()) {
                svg.push_str(&text(row + 1, "t", content));
            }
            svg.push_str("</g>\n");
        }
        svg.push_str("</svg>\n");
        svg
    }
}

fn text(row: usize, class: &str, content: &str) -> String {
    let y = MARGIN + (row + 1) * ROW_PIXELS - 5;
    let content = content.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<text class=\"{class}\" x=\"{MARGIN}\" y=\"{y}\" xml:space=\"preserve\">{content}</text>"
    )
}

const COLUMNS: u16 = 96;
const ROWS: u16 = 12;
const COLUMN_PIXELS: usize = 9;
const ROW_PIXELS: usize = 20;
const MARGIN: usize = 14;
/// Changes that follow faster are one frame.
const SHORTEST_FRAME: Duration = Duration::from_millis(80);
/// How long the end stands before it begins again.
const REST: Duration = Duration::from_secs(4);
