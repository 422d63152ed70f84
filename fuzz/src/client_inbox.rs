//! The client's inbox: what a peer sends, in any pieces, while we ask and take back.

use arbitrary::{Arbitrary, Unstructured};
use bt_client::fuzzing::{self, Op};

/// Decodes what happens to a connection; nothing may come out that was never asked for.
pub fn run(data: &[u8]) {
    let Ok(steps) = Vec::<Step>::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let ops: Vec<Op> = steps.into_iter().take(MAX_STEPS).map(Op::from).collect();
    fuzzing::inbox(&ops);
}

#[derive(Arbitrary)]
enum Step {
    Ask(u8),
    Cancel(u8),
    Choke,
    Block(u8, u16),
    Bytes(Vec<u8>, u16),
}

impl From<Step> for Op {
    fn from(step: Step) -> Self {
        match step {
            Step::Ask(number) => Self::Ask(number),
            Step::Cancel(number) => Self::Cancel(number),
            Step::Choke => Self::Choke,
            Step::Block(number, read_length) => Self::Block(number, read_length),
            Step::Bytes(bytes, read_length) => Self::Bytes(bytes, read_length),
        }
    }
}

/// Bounds the time of one input.
const MAX_STEPS: usize = 500;
