use clap::Args;

use super::values::{parse_ratio, parse_seconds};

/// How long `get` and `seed` serve; whichever is reached first.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct SeedUntil {
    /// Serve until so many times the size of what is wanted has been sent, in this run and in those
    /// before it: 1, 2.5
    #[arg(long, value_name = "RATIO", value_parser = parse_ratio, allow_negative_numbers = true)]
    pub(crate) seed_ratio: Option<f64>,

    /// Serve for so long, in seconds, or as in 15m, 2h, 7d
    #[arg(long, value_name = "TIME", value_parser = parse_seconds, allow_negative_numbers = true)]
    pub(crate) seed_time: Option<u64>,
}

impl SeedUntil {
    /// Whether there is an end.
    pub(crate) fn is_some(self) -> bool {
        self.seed_ratio.is_some() || self.seed_time.is_some()
    }
}
