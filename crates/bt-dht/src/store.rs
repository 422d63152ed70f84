//! What others store with us: peers of swarms, and items.

mod items;
mod peers;

pub(crate) use items::ItemStore;
pub(crate) use peers::{PeerLimits, PeerStore, Selection};
