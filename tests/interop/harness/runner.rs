use std::{
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use super::{Case, Failure, Outcome, Settings, interrupt};
use crate::cases::Entry;

/// Like `println!`, but nobody reading on is no reason to stop cleaning up.
macro_rules! say {
    ($($text:tt)+) => {{
        let _ = writeln!(io::stdout(), $($text)+);
    }};
}

/// Runs the cases one after the other and reports; true if all passed.
pub(crate) fn run(entries: &[&Entry], settings: &Settings) -> bool {
    let (mut passed, mut failed) = (0, 0);
    for (number, entry) in entries.iter().enumerate() {
        if interrupt::requested() {
            say!("interrupted, {} cases not run", entries.len() - number);
            failed += entries.len() - number;
            break;
        }
        if run_one(number, entry, settings) {
            passed += 1;
        } else {
            failed += 1;
        }
    }
    say!("{passed} passed, {failed} failed");
    failed == 0
}

fn run_one(number: usize, entry: &Entry, settings: &Settings) -> bool {
    let started = Instant::now();
    let case = match Case::new(settings, number) {
        Ok(case) => case,
        Err(reason) => {
            say!("FAILED {}: {reason}", entry.name);
            return false;
        }
    };
    // What the case started lives in its own frames: unwinding ends it too.
    let outcome: Outcome = catch_unwind(AssertUnwindSafe(|| (entry.run)(&case)))
        .unwrap_or_else(|panic| Err(Failure::new(format!("panicked: {}", text_of(&*panic)))));
    let seconds = started.elapsed().as_secs_f64();
    match outcome {
        Ok(()) => say!("ok {} ({seconds:.1} s)", entry.name),
        Err(reason) => {
            say!("FAILED {}: {reason}", entry.name);
            say!("(after {seconds:.1} s)\n{}", case.log_tails(LINES_SHOWN));
            if settings.keep_on_failure {
                say!("kept {}", case.keep().display());
            }
            return false;
        }
    }
    true
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a message")
}

/// Of each log of a failed case.
const LINES_SHOWN: usize = 25;
