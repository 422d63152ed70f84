use std::{
    fmt::Write as _,
    io::{self, Write as _},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::Instant,
};

use crate::{
    cases::Planned,
    harness::{Case, Failure, Outcome, Settings, interrupt},
};

/// Like `println!`, but nobody reading on is no reason to stop cleaning up.
macro_rules! say {
    ($($text:tt)+) => {{
        let _ = writeln!(io::stdout(), $($text)+);
    }};
}

/// Runs the cases, `settings.jobs` at a time, and reports each as it ends; true if none failed.
pub(crate) fn run(cases: &[Planned], settings: &Settings) -> bool {
    let run = Run {
        cases,
        settings,
        next: AtomicUsize::new(0),
        passed: AtomicUsize::new(0),
        failed: AtomicUsize::new(0),
        skipped: AtomicUsize::new(0),
    };
    thread::scope(|scope| {
        for _ in 0..settings.jobs.min(cases.len()) {
            scope.spawn(|| run.work());
        }
    });
    run.sum_up()
}

/// What the threads share.
struct Run<'a> {
    cases: &'a [Planned],
    settings: &'a Settings,
    /// The number of the first case that nobody has taken.
    next: AtomicUsize,
    passed: AtomicUsize,
    failed: AtomicUsize,
    skipped: AtomicUsize,
}

impl Run<'_> {
    fn work(&self) {
        while !interrupt::requested() {
            let number = self.next.fetch_add(1, Relaxed);
            let Some(planned) = self.cases.get(number) else {
                return;
            };
            if let Some(missing) = &planned.missing {
                say!("skipped {}: {missing}", planned.name);
                self.skipped.fetch_add(1, Relaxed);
            } else if run_one(number, planned, self.settings) {
                self.passed.fetch_add(1, Relaxed);
            } else {
                self.failed.fetch_add(1, Relaxed);
            }
        }
    }

    fn sum_up(self) -> bool {
        let [passed, failed, skipped] =
            [self.passed, self.failed, self.skipped].map(AtomicUsize::into_inner);
        let not_run = self.cases.len() - passed - failed - skipped;
        if not_run > 0 {
            say!("interrupted, {not_run} cases not run");
        }
        let skipped = match skipped {
            0 => String::new(),
            _ => format!(", {skipped} skipped"),
        };
        say!("{passed} passed, {failed} failed{skipped}");
        failed + not_run == 0
    }
}

fn run_one(number: usize, planned: &Planned, settings: &Settings) -> bool {
    let started = Instant::now();
    let name = &planned.name;
    let case = match Case::new(settings, number) {
        Ok(case) => case,
        Err(reason) => {
            say!("FAILED {name}: {reason}");
            return false;
        }
    };
    // What the case started lives in its own frames: unwinding ends it too.
    let outcome: Outcome = catch_unwind(AssertUnwindSafe(|| (planned.run)(&case)))
        .unwrap_or_else(|panic| Err(Failure::new(format!("panicked: {}", text_of(&*panic)))));
    let seconds = started.elapsed().as_secs_f64();
    let Err(reason) = outcome else {
        say!("ok {name} ({seconds:.1} s)");
        return true;
    };
    // Said at once, so that it stays together.
    let mut report = format!("FAILED {name}: {reason}\n(after {seconds:.1} s)\n");
    report.push_str(&case.log_tails(LINES_SHOWN));
    if settings.keep_on_failure {
        let _ = writeln!(report, "kept {}", case.keep().display());
    }
    let _ = io::stdout().lock().write_all(report.as_bytes());
    false
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a message")
}

/// Of each log of a failed case.
const LINES_SHOWN: usize = 25;
