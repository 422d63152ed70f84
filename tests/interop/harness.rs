//! What every case stands on, and what knows nothing of BitTorrent clients.

mod case;
mod failure;
pub(crate) mod http;
pub(crate) mod interrupt;
pub(crate) mod payload;
pub(crate) mod ports;
mod process;
mod programs;
pub(crate) mod runner;
pub(crate) mod tempdir;
pub(crate) mod wait;

pub(crate) use self::{
    case::{Case, Settings},
    failure::{Context, Failure, Outcome, ensure},
    payload::Payload,
    process::{Exit, Process},
    programs::Program,
};
