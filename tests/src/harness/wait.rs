//! Waiting on a condition, the only way in which a case lets time pass.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{Failure, Outcome, interrupt};

/// Enough for anything that takes well under a second on a quiet machine.
pub const SOON: Duration = Duration::from_secs(30);

/// Enough for a transfer of the short tier, with clients that think for ten seconds before they
/// unchoke and re-announce when they please.
pub const TRANSFER: Duration = Duration::from_secs(120);

/// Looks again and again until there is something, for at most `patience`.
pub fn until<T>(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> Outcome<Option<T>>,
) -> Outcome<T> {
    let deadline = Instant::now() + patience;
    loop {
        // The deadline is read before looking: a slow look gets its last chance.
        let last_chance = Instant::now() >= deadline;
        if let Some(found) = look()? {
            return Ok(found);
        }
        if interrupt::requested() {
            return Err(Failure::new(format!(
                "interrupted while waiting until {what}"
            )));
        }
        if last_chance {
            return Err(Failure::new(format!(
                "waited {patience:?} in vain until {what}"
            )));
        }
        thread::sleep(PAUSE);
    }
}

const PAUSE: Duration = Duration::from_millis(20);
