use std::io::{self, Write};

use serde::Serialize;

/// Prints one event for machines. If nobody reads any more, that is no failure of ours: `head`
/// does so.
pub(crate) fn print(value: &impl Serialize) {
    let mut stdout = io::stdout().lock();
    let _ = write(&mut stdout, value).and_then(|()| stdout.flush());
}

/// Writes one line for machines.
pub(crate) fn write(mut out: impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut out, value)?;
    out.write_all(b"\n")
}
