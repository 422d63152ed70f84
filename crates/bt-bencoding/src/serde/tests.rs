use alloc::{string::ToString, vec::Vec};

use serde::{Deserialize, de::DeserializeOwned};

use super::*;
use crate::{Lenient, Limits, Strict};

mod differential;
mod reading;
mod refusing;
mod writing;

fn read<'de, T: Deserialize<'de>>(input: &'de (impl AsRef<[u8]> + ?Sized)) -> T {
    let result = from_bytes::<Lenient, T>(input.as_ref(), Limits::default());
    result.unwrap_or_else(|error| panic!("{}: {error}", input.as_ref().escape_ascii()))
}

/// What both modes say.
#[track_caller]
fn refused<T: DeserializeOwned>(input: impl AsRef<[u8]>, offset: usize, message: &str) {
    let input = input.as_ref();
    let errors = [
        from_bytes::<Lenient, T>(input, Limits::default()).err(),
        from_bytes::<Strict, T>(input, Limits::default()).err(),
    ];
    for error in errors {
        let error = error.expect("should be refused");
        let found = (error.offset(), error.kind().to_string());
        assert_eq!(
            found,
            (offset, message.to_string()),
            "{}",
            input.escape_ascii()
        );
    }
}

/// Lists in lists, as deep as the input says.
#[derive(Debug, Deserialize, PartialEq)]
struct Nested(Vec<Nested>);

fn nested(depth: usize) -> Vec<u8> {
    [b"l".repeat(depth), b"e".repeat(depth)].concat()
}
