//! Scenarios on virtual time: no socket, no file, no sleep.

mod ablation;
mod corpus;
mod dht;
mod liars;
mod limits;
mod magnets;
mod scenarios;
mod selections;
mod sessions;
mod statistics;
mod swarms;
mod why;
