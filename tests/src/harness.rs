//! What every case and every bench stands on, and what knows nothing of BitTorrent clients.

mod case;
mod failure;
pub mod http;
pub mod interrupt;
mod namespace;
pub mod payload;
pub mod ports;
mod process;
mod programs;
pub mod tempdir;
pub mod wait;

pub use self::{
    case::{Case, Settings},
    failure::{Context, Failure, Outcome},
    namespace::{Namespace, configure},
    payload::Payload,
    process::{Exit, Log, Process, Usage},
    programs::{Program, default_bt, workspace_target},
};
pub use crate::ensure;
