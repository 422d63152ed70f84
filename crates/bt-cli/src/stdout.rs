use std::io::{self, BufWriter, Write};

use crate::{
    exit::{Exit, Failure},
    format::reason,
};

/// Whether anybody reads what we print.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reader {
    Reads,
    /// Who had enough, as `head` has: no failure of ours, but no reason to go on either.
    Left,
}

/// Prints what `write` writes.
pub(crate) fn print(
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<Reader, Failure> {
    print_to(io::stdout().lock(), write)
}

fn print_to(
    out: impl Write,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<Reader, Failure> {
    let mut out = BufWriter::new(out);
    match write(&mut out).and_then(|()| out.flush()) {
        Ok(()) => Ok(Reader::Reads),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Left),
        Err(error) => {
            let exit = match error.kind() {
                io::ErrorKind::StorageFull => Exit::Disk,
                _ => Exit::Other,
            };
            let message = format!("cannot write to stdout: {}", reason(&error));
            Err(Failure::new(exit, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fails(io::ErrorKind);

    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_stops_reading_is_no_failure_and_a_full_disk_is() {
        let exit = |kind| print_to(Fails(kind), |out| writeln!(out, "x")).map_err(|it| it.exit);
        assert_eq!(exit(io::ErrorKind::BrokenPipe), Ok(Reader::Left));
        assert_eq!(exit(io::ErrorKind::StorageFull), Err(Exit::Disk));
        assert_eq!(exit(io::ErrorKind::PermissionDenied), Err(Exit::Other));
        let mut out = Vec::new();
        let read = print_to(&mut out, |out| writeln!(out, "x"));
        assert_eq!(read.unwrap(), Reader::Reads);
        assert_eq!(out, b"x\n");
    }
}
