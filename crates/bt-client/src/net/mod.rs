//! Every socket and every name look-up of `bt` is made here and nowhere else, so that binding,
//! proxies and failing closed need one place.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the one place where sockets are made and names are looked up"
)]

mod demultiplex;
mod dial;
mod http;
mod interfaces;
mod listen;
mod multicast;
mod resolve;
mod stream;
mod udp;

pub(crate) use demultiplex::{Inbox, Udp};
pub(crate) use dial::dial;
pub use http::HttpError;
pub(crate) use http::{Bounds, HttpClient, Line, Reply, Wait};
pub use listen::ListenError;
pub(crate) use listen::{Listener, Sockets, listen};
pub(crate) use multicast::GroupSocket;
pub(crate) use resolve::resolve;
#[cfg(test)]
pub(crate) use stream::testing;
pub(crate) use stream::{Stream, read_exact, write_all};
pub(crate) use udp::UdpSockets;
