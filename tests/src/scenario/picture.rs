//! Completed peers over time, as SVG.

use std::{fmt::Write as _, time::Duration};

use super::Run;
use crate::{NodeReport, Report};

impl Run {
    /// A picture of the run: how many peers of each kind are complete by when, with the bound, and
    /// below it how well the upload lines are used. Light or dark as the reader likes it.
    #[must_use]
    pub fn to_svg(&self) -> String {
        let end = self.report.last_completed_at().max(self.bound);
        let axis = Axis::up_to(end.as_secs_f64().max(1.0));
        let curves = curves(&self.report);
        let most = curves.iter().map(|curve| curve.nodes).max().unwrap_or(1);
        let counts = Axis::up_to(most as f64);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"system-ui, sans-serif\" font-size=\"13\">\n<style>{STYLE}</style>\n\
             <rect class=\"paper\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"8\"/>\n"
        );
        text(&mut svg, LEFT, 30.0, "title", &self.title());
        let subtitle = format!(
            "last completion {} × the fluid lower bound",
            self.ratio_text()
        );
        text(&mut svg, LEFT, 50.0, "soft", &subtitle);
        grid(&mut svg, &axis, &counts);
        self.bound_line(&mut svg, &axis);
        for (curve, class) in curves.iter().zip(CURVES) {
            let path = curve.path(&axis, &counts);
            _ = writeln!(svg, "<path class=\"curve {class}\" d=\"{path}\"/>");
        }
        legend(&mut svg, &curves);
        self.utilisation_strip(&mut svg, &axis);
        svg.push_str("</svg>\n");
        svg
    }

    fn bound_line(&self, svg: &mut String, axis: &Axis) {
        let x = axis.x(self.bound.as_secs_f64());
        _ = writeln!(
            svg,
            "<path class=\"bound\" d=\"M{x:.1} {TOP} V{BOTTOM}\"/>\n\
             <text class=\"soft\" text-anchor=\"end\" transform=\"translate({:.1} {}) rotate(-90)\">\
             bound {:.0} s</text>",
            x - 5.0,
            TOP + 4.0,
            self.bound.as_secs_f64()
        );
    }

    fn utilisation_strip(&self, svg: &mut String, axis: &Axis) {
        let height = STRIP_BOTTOM - STRIP_TOP;
        let parts = self.report.utilisation(STRIP_PARTS);
        let end = self.report.last_completed_at().as_secs_f64();
        let step = end / f64::from(STRIP_PARTS);
        let mut path = format!("M{LEFT} {STRIP_BOTTOM}");
        for (n, part) in parts.iter().enumerate() {
            let y = STRIP_BOTTOM - part.min(1.0) * height;
            let (from, until) = (axis.x(n as f64 * step), axis.x((n + 1) as f64 * step));
            _ = write!(path, " L{from:.1} {y:.1} L{until:.1} {y:.1}");
        }
        _ = write!(path, " V{STRIP_BOTTOM} Z");
        _ = writeln!(
            svg,
            "<path class=\"area\" d=\"{path}\"/>\n<path class=\"grid\" d=\"M{LEFT} {STRIP_TOP} H{RIGHT} M{LEFT} \
             {STRIP_BOTTOM} H{RIGHT}\"/>"
        );
        label(svg, LEFT - 8.0, STRIP_TOP + 4.0, "100 %");
        label(svg, LEFT - 8.0, STRIP_BOTTOM + 4.0, "0 %");
        text(svg, LEFT, STRIP_TOP - 8.0, "soft", "upload lines in use");
    }
}

/// The completions of one kind of peers.
struct Curve {
    name: &'static str,
    nodes: usize,
    times: Vec<Duration>,
}

fn curves(report: &Report) -> Vec<Curve> {
    let kinds = report.groups().into_iter();
    let kinds = kinds.filter(|group| group.name != "seed");
    kinds
        .map(|group| {
            let of_kind = |node: &&NodeReport| node.group == group.name;
            let nodes = report.nodes.iter().filter(of_kind);
            let mut times: Vec<_> = nodes.filter_map(|node| node.completed_at).collect();
            times.sort_unstable();
            Curve {
                name: group.name,
                nodes: group.nodes,
                times,
            }
        })
        .collect()
}

impl Curve {
    /// Steps; of those that nobody could tell apart the last.
    fn path(&self, axis: &Axis, counts: &Axis) -> String {
        let mut path = format!("M{LEFT} {BOTTOM}");
        let mut last_x = LEFT;
        for (n, time) in self.times.iter().enumerate() {
            let x = axis.x(time.as_secs_f64());
            let is_last = n + 1 == self.times.len();
            if x - last_x >= 0.5 || is_last {
                // What came since the last step, then this one.
                let (before, after) = (counts.y(n as f64), counts.y((n + 1) as f64));
                _ = write!(path, " V{before:.1} H{x:.1} V{after:.1}");
                last_x = x;
            }
        }
        if !self.times.is_empty() {
            _ = write!(path, " H{RIGHT}");
        }
        path
    }
}

/// From zero to something round.
struct Axis {
    step: f64,
    end: f64,
}

impl Axis {
    fn up_to(most: f64) -> Self {
        let rough = most / 6.0;
        let magnitude = 10_f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|step| step * magnitude);
        let step = steps.into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(rough).max(1.0).ceil();
        Self {
            step,
            end: (most / step).ceil() * step,
        }
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let count = (self.end / self.step).round() as u32;
        (0..=count).map(|n| f64::from(n) * self.step)
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * value / self.end
    }

    fn y(&self, value: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * value / self.end
    }
}

fn grid(svg: &mut String, axis: &Axis, counts: &Axis) {
    for count in counts.ticks() {
        let y = counts.y(count);
        _ = writeln!(svg, "<path class=\"grid\" d=\"M{LEFT} {y:.1} H{RIGHT}\"/>");
        label(svg, LEFT - 8.0, y + 4.0, &format!("{count}"));
    }
    for time in axis.ticks() {
        let x = axis.x(time);
        _ = writeln!(
            svg,
            "<text class=\"soft\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{:.1}\">{time} s</text>",
            BOTTOM + 20.0
        );
    }
    text(svg, LEFT, TOP - 10.0, "soft", "peers complete");
}

fn legend(svg: &mut String, curves: &[Curve]) {
    if curves.len() < 2 {
        return;
    }
    for (n, (curve, class)) in curves.iter().zip(CURVES).enumerate() {
        let y = TOP + 16.0 + 20.0 * n as f64;
        _ = writeln!(
            svg,
            "<path class=\"curve {class}\" d=\"M{:.1} {:.1} h20\"/>",
            LEFT + 12.0,
            y - 4.0
        );
        text(svg, LEFT + 40.0, y, "ink", curve.name);
    }
}

fn text(svg: &mut String, x: f64, y: f64, class: &str, words: &str) {
    _ = writeln!(
        svg,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{words}</text>"
    );
}

fn label(svg: &mut String, x: f64, y: f64, words: &str) {
    _ = writeln!(
        svg,
        "<text class=\"soft\" text-anchor=\"end\" x=\"{x:.1}\" y=\"{y:.1}\">{words}</text>"
    );
}

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 500.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 770.0;
const TOP: f64 = 90.0;
const BOTTOM: f64 = 360.0;
const STRIP_TOP: f64 = 420.0;
const STRIP_BOTTOM: f64 = 475.0;
const STRIP_PARTS: u32 = 100;
/// As many kinds as any scenario has, and one more.
const CURVES: [&str; 4] = ["c1", "c2", "c3", "c4"];
const STYLE: &str = "\
.paper{fill:#fff}.title{font-size:16px;font-weight:600;fill:#1b1f24}.ink{fill:#1b1f24}\
.soft{fill:#6b7280}.grid{stroke:#e5e7eb;fill:none}\
.bound{stroke:#9ca3af;stroke-dasharray:4 4;fill:none}\
.curve{fill:none;stroke-width:2.5;stroke-linejoin:round}\
.c1{stroke:#2563eb}.c2{stroke:#d97706}.c3{stroke:#059669}.c4{stroke:#be185d}\
.area{fill:#2563eb;fill-opacity:.25}\
@media(prefers-color-scheme:dark){.paper{fill:#0d1117}.title,.ink{fill:#e6edf3}\
.soft{fill:#8b949e}.grid{stroke:#21262d}.bound{stroke:#6e7681}\
.c1{stroke:#60a5fa}.c2{stroke:#fbbf24}.c3{stroke:#34d399}.c4{stroke:#f472b6}}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers_that_hold_everything() {
        for (most, step, end) in [
            (1.0, 1.0, 1.0),
            (30.0, 5.0, 30.0),
            (100.0, 20.0, 100.0),
            (209.7, 50.0, 250.0),
            (10_000.0, 2_000.0, 10_000.0),
        ] {
            let axis = Axis::up_to(most);
            assert_eq!((axis.step, axis.end), (step, end), "{most}");
        }
    }
}
