//! Which block from which peer, whom to unchoke, whom to dial: BitTorrent scheduling as pure,
//! seeded decisions.
//!
//! Nothing here performs I/O, reads a clock or sees a payload. Time comes in as `now`, randomness
//! as a seed, and the same calls give the same decisions, so that a simulated swarm of thousands
//! replays to the byte. [`Picker`] serves one torrent: tell it what peers have and what arrives,
//! then drain what it wants.
//!
//! ```
//! # use std::{sync::Arc, time::Instant};
//! use bt_scheduler::{Picker, PickerConfig, Received};
//! use bt_types::{Bitfield, ConnId, FileExtent, PieceLayout};
//!
//! // Four pieces of 32 KiB: two blocks each.
//! let layout = Arc::new(PieceLayout::packed(32_768, [FileExtent::data(131_072)])?);
//! let mut picker = Picker::new(layout, Bitfield::new(4), PickerConfig::default(), [7; 32]);
//! # let now = Instant::now();
//!
//! let conn = ConnId(1);
//! picker.add_peer(now, conn, 250);
//! picker.set_peer_pieces(conn, Bitfield::full(4)); // it sent `have all`
//! assert!(picker.is_interesting(conn)); // so we send `interested`
//! picker.unchoked(now, conn); // and it unchokes us
//!
//! let mut requests = Vec::new();
//! while !picker.is_complete() {
//!     while let Some(conn) = picker.poll_ready() {
//!         let memory_for_blocks = 100;
//!         picker.pick(now, conn, memory_for_blocks, &mut requests); // send these
//!     }
//!     while let Some((_conn, _block)) = picker.poll_cancel() {} // send these, too
//!     for block in requests.drain(..) {
//!         // ... and when the answer comes:
//!         match picker.handle_block(now, conn, block) {
//!             // Hash the piece, then report the verdict.
//!             Received::Accepted { piece_complete: true } => picker.piece_verified(block.piece),
//!             Received::Accepted { .. } => {}
//!             Received::Duplicate | Received::Unrequested => unreachable!("one honest peer"),
//!         }
//!     }
//!     let _timer = picker.poll_timeout(); // call `handle_timeout` when it goes off
//! }
//! assert!(picker.have().is_full());
//! # Ok::<(), bt_types::LayoutError>(())
//! ```
//!
//! # How good a peer is
//!
//! One function, [`Evaluator::evaluate`], judges peers by what is known of them ([`Evidence`]), be it
//! measured while they are connected or remembered from before:
//!
//! ```text
//! reliability = answers × pieces          of what is asked for, what comes and is right
//! goodput     = download rate × reliability
//! block time  = measured block time ÷ reliability
//! reach       = ½ ^ failures in a row
//! worth       = (goodput × 400 ms ÷ (400 ms + latency) + upload rate ÷ 2) × reach
//! ```
//!
//! | term | how it counts | why, and whose idea |
//! |---|---|---|
//! | download rate | bytes per second; a stranger is taken to send a block a second | what a download is about (BEP 3, tit for tat) |
//! | upload rate | half: what it takes is given on, and some of it comes back | a seed serves whom it can serve fast (libtorrent's fastest-upload choker) |
//! | latency | the farther, the more requests at once, and the less a place is worth: what is asked of it keeps memory, and blocks from others | bandwidth-delay product; libtorrent's request queue |
//! | answers | the share of requests that it answered of the last hundred, four granted in advance | who is asked in vain costs the time to notice (libtorrent snubs; here it is remembered) |
//! | hash failures | the share of pieces with its blocks that passed, one granted in advance; taken back when its blocks turn out to be right | a wrong piece costs all of its bytes (libtorrent's trust points) |
//! | connections | halves with each attempt in a row that comes to nothing | an address that does not answer costs a place among those being dialled (libtorrent's fail count) |
//!
//! What follows from it, and where:
//!
//! | decision | follows |
//! |---|---|
//! | whom to dial | greatest worth first ([`dial_priority`]) |
//! | from whom to part when there is no room | least worth, once it has had two minutes, if it is a sixteenth of who waits (`bt-swarm`) |
//! | how many requests | goodput × (400 ms + latency + pause; see [below](#how-many-requests)) |
//! | whom to unchoke | greatest goodput in the last rounds, then by turns, then greatest worth ([`Choker`]) |
//! | whose request is given to another | who will need more than twice the other's block time for it |
//!
//! [Canonical priority](canonical_priority) (BEP 40) decides between equals. What each term is good
//! for is measured in a world of its own, with it and without: `cargo xtask sim ablation`.
//!
//! # Which piece
//!
//! What is wanted more comes first ([`Picker::set_priorities`]), and what is not wanted never. Among
//! pieces that are wanted as much, the first four are random, so that there is soon something to give; then the rarest come first,
//! ties at random. What a peer suggests (BEP 6) is begun before others that are as rare, and never
//! before rarer ones. Pieces already begun come before new ones, except with a peer that alone has
//! some: that one is asked for these first. Or pieces come in their order
//! ([`Picker::set_in_order`]). A peer that would need less than
//! 20 s for a whole piece gets pieces for itself, slower ones share, and not more pieces are open
//! than the peers that serve us need. Pieces are kept in buckets by priority and availability: a `have` moves
//! one piece by one bucket, a seed that comes or goes moves none, and the cost of a choice does not
//! grow with the torrent. Eleven and a half bytes a piece; only pieces in progress have a record for each block.
//!
//! # How many requests
//!
//! A peer's pipeline starts with 4 requests and grows by one with each block (so it doubles with
//! each round trip) until its rate grows by less than 5,000 bytes per second in a second; blocks
//! that were on their way for longer than the latency and 400 ms more make it no longer. Then it
//! holds what the peer sends in this time. What is queued at one peer cannot be asked of another:
//! in a swarm where everybody has few pieces that others lack, longer queues leave lines idle. But
//! a peer that sends in bursts (transmission answers twice a second, once it has had nothing to
//! send) and has sent all when it pauses for longer than these 400 ms is asked for as much more as
//! it sends in such a pause, of 1 s at most: each burst would be smaller than the one before else.
//! Never fewer than 2 nor more than 500, and never more than the peer's own `reqq`, which wins over
//! both.
//!
//! # Who does not answer
//!
//! A request is overdue when its peer has been silent for the mean and four mean deviations of its
//! round trips, within 2 s and 60 s. Then the peer is *snubbed*: what it is asked for is free for
//! others, though it may still answer and its memory stays reserved. While it is silent it is asked
//! for two blocks at a time, less and less often, and these stay free for others, too. Its next
//! block clears its name.
//!
//! A peer that chokes us is asked for what it allows all the same (BEP 6), four blocks at a time:
//! the piece that is begun, else the rarest. It owes us nothing, so that silence does not count as
//! snubbing; but then, or after a reject, it is asked for no more until it unchokes us.
//!
//! A peer with nothing free to ask takes over a block from another that would need more than twice
//! as long for it. When no free block is left anywhere, the end-game begins: up to two peers are
//! asked for the same block, up to two such blocks of one peer, and whoever is slower is sent a
//! cancel.
//!
//! # Whom we upload to
//!
//! [`Choker`] gives slots by turns of ten seconds to who gave us most in the last rounds, one in five
//! to whoever has waited longest, and where nobody gives, to all in turn; as many as the measured
//! upload rate calls for. A slot whose holder asks for nothing is given to another as well. Who gives
//! nothing is known by what it does ([`Conduct`]), and gets what nobody else wants: who has taken
//! 1 MiB and given less than an eighth of what it took, and who was given what nobody else has and
//! did not give it on.
//!
//! # The rest
//!
//! [`dial_priority`] tells whom to dial first, [`canonical_priority`] which of two connections that
//! are worth the same to keep, an [`Arbiter`] divides what torrents have in common and
//! [grants](Grant) each what it may use, a [`RateMeter`] measures, and a [`TokenBucket`] keeps to a
//! rate.
//!
//! # What is deliberately outside
//!
//! Messages and sockets, payloads and memory (the caller says how many blocks it has room for),
//! hashing, and knowing who sent what to a piece that failed, though [`Picker::reserve`] asks a
//! suspect piece of one peer alone.
//!
//! # BEPs
//!
//! 3 (choking, pipelining, rarest first, end-game), 6 (rejects, allowed-fast and suggested
//! pieces), 10 (`reqq`), 40 (canonical peer priority), 47 (padding is never requested), 54
//! (`lt_donthave`). Not covered: 16 (super-seeding) and 21 (upload-only peers) are in `bt-swarm`.

mod arbiter;
mod availability;
mod bucket;
mod canonical;
mod choker;
mod config;
mod copies;
mod dial;
mod evaluation;
mod grant;
mod limits;
mod partial;
mod peer;
mod picker;
mod pipeline;
mod rate;

pub use arbiter::{Arbiter, Demand, Need};
pub use bucket::TokenBucket;
pub use canonical::canonical_priority;
pub use choker::{ChokeCandidate, Choker, Conduct, Rechoke};
pub use config::PickerConfig;
pub use copies::Copies;
pub use dial::{DialCandidate, DialPriority, dial_priority};
pub use evaluation::{Evaluation, Evaluator, Evidence, Tally, Term, Terms};
pub use grant::Grant;
pub use limits::RateLimits;
pub use picker::{OnChoke, PeerStats, Picker, Received, Supply};
pub use rate::RateMeter;
