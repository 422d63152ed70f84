use std::{
    io::{self, Write},
    sync::OnceLock,
};

use serde::Serialize;

use crate::{
    exit::{Exit, Failure},
    logging, stdout,
};

/// How the first event was lost. What follows it is not printed: it may have left half a line.
static LOST: OnceLock<Exit> = OnceLock::new();

/// Prints one event for machines. If nobody reads any more, that is no failure of ours: `head`
/// does so. The command goes on in any case, and ends with [`all_printed`].
pub(crate) fn print(value: &impl Serialize) {
    if LOST.get().is_some() {
        return;
    }
    if let Err(failure) = stdout::print(|out| write(out, value))
        && LOST.set(failure.exit).is_ok()
    {
        logging::complain(&failure);
    }
}

/// # Errors
/// If an event could not be printed, of which the user has been told.
pub(crate) fn all_printed() -> Result<(), Failure> {
    LOST.get().map_or(Ok(()), |&exit| Err(Failure::told(exit)))
}

/// Writes one line for machines.
pub(crate) fn write(mut out: impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut out, value)?;
    out.write_all(b"\n")
}
