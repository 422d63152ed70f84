//! One torrent as a state machine without I/O: peers, dialling, requests, disk jobs.
