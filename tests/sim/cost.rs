//! What a run took of this machine.

use std::{fs, time::Duration};

use bt_tests::Verdict;
use serde_json::{Value, json};

pub(crate) struct Cost {
    /// Of the one thread that there is.
    cpu: Option<Duration>,
    /// At most, at any time.
    memory_bytes: Option<u64>,
}

impl Cost {
    /// As Linux counts it; other systems are not asked.
    pub(crate) fn so_far() -> Self {
        let first_number = |text: &str| text.split_whitespace().next()?.parse().ok();
        let schedstat = fs::read_to_string("/proc/self/schedstat").ok();
        let status = fs::read_to_string("/proc/self/status").ok();
        let peak = status.as_deref().and_then(|status| {
            let mut lines = status.lines();
            first_number(lines.find_map(|line| line.strip_prefix("VmHWM:"))?)
        });
        Self {
            cpu: schedstat
                .as_deref()
                .and_then(first_number)
                .map(Duration::from_nanos),
            memory_bytes: peak.map(|kib| kib << 10),
        }
    }

    pub(crate) fn describe(&self, happenings: u64) -> String {
        let Some(cpu) = self.cpu else {
            return format!("{happenings} events");
        };
        let each = cpu.as_secs_f64() * 1e6 / happenings.max(1) as f64;
        let memory = self.memory_bytes.unwrap_or(0) >> 20;
        format!(
            "took {:.1} s of one core and {memory} MiB: {happenings} events of {each:.2} µs",
            cpu.as_secs_f64()
        )
    }

    /// For machines; `null` is what this system does not say.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "cpu_secs": self.cpu.map(|cpu| cpu.as_secs_f64()),
            "peak_memory_bytes": self.memory_bytes,
        })
    }

    /// Whether it was little enough for ten thousand peers.
    pub(crate) fn verdict(&self) -> Verdict {
        let minutes = self.cpu.map(|cpu| cpu.as_secs_f64() / 60.0);
        let gib = self
            .memory_bytes
            .map(|bytes| bytes as f64 / (1 << 30) as f64);
        Verdict {
            demand: format!("at most {MAX_MINUTES} CPU minutes and {MAX_GIB} GiB"),
            found: match (minutes, gib) {
                (Some(minutes), Some(gib)) => format!("{minutes:.1} min, {gib:.1} GiB"),
                _ => "this system does not say".to_owned(),
            },
            holds: minutes.is_some_and(|minutes| minutes <= MAX_MINUTES)
                && gib.is_some_and(|gib| gib <= MAX_GIB),
        }
    }
}

const MAX_MINUTES: f64 = 30.0;
const MAX_GIB: f64 = 8.0;
