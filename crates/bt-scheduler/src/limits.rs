use std::num::NonZeroU64;

/// How fast bytes may go in each direction, in bytes per second; `None` is as fast as they can.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct RateLimits {
    /// To peers.
    pub upload: Option<NonZeroU64>,
    /// From peers.
    pub download: Option<NonZeroU64>,
}

impl RateLimits {
    /// No limit in either direction.
    pub const NONE: Self = Self {
        upload: None,
        download: None,
    };
}
