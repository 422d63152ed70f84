//! For tests, ours and those of crates above: makes the disk fail on demand.
//!
//! No promise of stability; hidden from the documentation.

use std::io;

/// A call to the operating system that may be made to fail.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Call {
    /// A file is opened, and perhaps created.
    Open,
    /// Bytes are read.
    Read,
    /// Bytes are written.
    Write,
    /// What was written is brought to the medium.
    Sync,
}

/// What happens to a call.
#[derive(Debug)]
pub enum Outcome {
    /// It is made.
    Proceed,
    /// It is made, for this many bytes at most; 0 looks like the end of the file, or of the disk.
    Short(usize),
    /// It is not made, and fails so.
    Fail(io::Error),
}

/// Decides about every call, on any thread. Closures are the usual implementation.
pub trait Faults: Send + Sync {
    /// A `call` about `bytes` bytes (0 for [`Call::Open`] and [`Call::Sync`]) is about to be made.
    fn before(&self, call: Call, bytes: usize) -> Outcome;
}

impl<F: Fn(Call, usize) -> Outcome + Send + Sync> Faults for F {
    fn before(&self, call: Call, bytes: usize) -> Outcome {
        self(call, bytes)
    }
}
