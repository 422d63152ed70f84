//! One file a command.

pub(crate) mod announce;
pub(crate) mod completions;
pub(crate) mod create;
pub(crate) mod demo;
pub(crate) mod dht;
pub(crate) mod get;
pub(crate) mod magnet;
pub(crate) mod man;
pub(crate) mod scrape;
pub(crate) mod seed;
pub(crate) mod show;
pub(crate) mod verify;
