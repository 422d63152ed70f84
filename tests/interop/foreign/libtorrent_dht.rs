use std::net::SocketAddrV4;

pub(crate) use bt_tests::foreign::libtorrent_dht::Nodes;

use super::libtorrent::Build;
use crate::harness::{Case, Outcome};

/// Starts so many nodes, each on an address of its own, that find each other by way of the first,
/// and waits until they have.
pub(crate) fn among_themselves(case: &Case<'_>, count: usize) -> Outcome<Nodes> {
    Nodes::among_themselves(case, &Build::Newest.python()?, addresses(case, count)?)
}

/// Starts so many that find in by way of `bootstrap`.
pub(crate) fn by_way_of(case: &Case<'_>, count: usize, bootstrap: SocketAddrV4) -> Outcome<Nodes> {
    let addresses = addresses(case, count)?;
    Nodes::by_way_of(case, &Build::Newest.python()?, addresses, bootstrap)
}

fn addresses(case: &Case<'_>, count: usize) -> Outcome<Vec<SocketAddrV4>> {
    (0..count).map(|_| case.address()).collect()
}
