//! HTTP trackers without I/O: what to ask for, how to read the answer, and whom not to ask.
//!
//! You own the connection, TLS, the clock and gzip; this crate has the words and the rules. One
//! announce:
//!
//! ```text
//! let url = announce_url(&tracker, &request, &extras)?;
//! let mut route = Route::new(Origin::Torrent, &tracker, url);
//! loop {
//!     /* look up route.url().host(); leave out addresses that route.check(ip) forbids; GET */
//!     if redirected { route.follow(ip, location)?; continue; }
//!     break parse_announce(&body)?;
//! }
//! ```
//!
//! Here without a network, a client asks and a tracker answers:
//!
//! ```
//! use bt_tracker_http::{Answer, Extras, HttpUrl, announce_url, parse_announce, server};
//! use bt_types::{AnnounceEvent, AnnounceRequest, AnnounceResponse, PeerId, SwarmId};
//!
//! let tracker: HttpUrl = "https://tracker.example/announce?passkey=abc".parse()?;
//! let request = AnnounceRequest {
//!     swarm_id: SwarmId([7; 20]),
//!     peer_id: PeerId(*b"-XX0001-abcdefghijkl"),
//!     uploaded: 0,
//!     downloaded: 0,
//!     left: 1_000_000,
//!     event: AnnounceEvent::Started,
//!     key: 0xcafe_babe,
//!     num_want: None,
//!     port: 6881,
//! };
//! let url = announce_url(&tracker, &request, &Extras::default())?;
//! assert!(url.target().starts_with("/announce?passkey=abc&info_hash=%07%07"));
//!
//! let server::Request::Announce(announce) = server::Request::parse(url.target())? else { panic!() };
//! assert_eq!(announce.request, request);
//! let answer = AnnounceResponse { peers: vec!["192.0.2.1:6881".parse()?], ..Default::default() };
//! let body = server::encode_announce(&answer, announce.compact);
//!
//! assert_eq!(parse_announce(&body)?, Answer::Granted(answer));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is deliberately outside
//!
//! Connections, TLS, headers, compression, names and time: whoever carries a request out bounds its
//! body (1 MiB is plenty) and its duration. When to announce, and to which of a torrent's trackers:
//! that is `bt-tracker`, for trackers of any kind. User names and passwords in URLs are refused.
//!
//! # What a stranger can do
//!
//! A torrent's maker chooses the tracker's URL, and a tracker chooses redirects. Neither may make
//! us ask machines of our own network for anything but announces, speak for us in the query, lead
//! from the internet into our network, or from TLS into the clear: see [`Route`]. Answers of any
//! content are read in bounded memory; texts come bounded and without control characters.
//!
//! # BEPs
//!
//! 3 (HTTP trackers), 7 (IPv6 peers), 23 (compact peers), 24 (external address), 31 (retry in), 48
//! (scrape), 21 (its "downloaders" in scrapes). Not covered: 8 (obfuscated announces), host names
//! in place of peer addresses, which are passed over.

mod request;
mod response;
mod route;
pub mod server;
mod url;

pub use request::{Extras, MAX_SCRAPE, RequestError, announce_url, scrape_url};
pub use response::{
    Answer, MAX_PEERS, MAX_TEXT, Refusal, ResponseError, RetryIn, Scrape, ScrapeEntry,
    parse_announce, parse_scrape,
};
pub use route::{Forbidden, MAX_REDIRECTS, Origin, RedirectError, Route, is_local};
pub use url::{HttpUrl, MAX_URL_LENGTH, Scheme, UrlError};
