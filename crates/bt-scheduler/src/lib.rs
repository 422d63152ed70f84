//! Which block from which peer, whom to unchoke: BitTorrent scheduling as pure, seeded decisions.

mod availability;
mod choker;
mod config;
mod dial;
mod grant;
mod partial;
mod peer;
mod picker;
mod pipeline;
mod rate;

pub use choker::{ChokeCandidate, FixedSlots, Rechoke};
pub use config::PickerConfig;
pub use dial::{DialCandidate, DialPriority, dial_priority};
pub use grant::Grant;
pub use picker::{OnChoke, PeerStats, Picker, Received};
pub use rate::RateMeter;
