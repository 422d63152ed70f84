use std::io::{self, Write};

use serde::Serialize;

/// Prints one line for machines. If nobody reads any more, that is no failure of ours: `head`
/// does so.
pub(crate) fn print(value: &impl Serialize) {
    let mut stdout = io::stdout().lock();
    if serde_json::to_writer(&mut stdout, value).is_ok() {
        let _ = stdout.write_all(b"\n").and_then(|()| stdout.flush());
    }
}
