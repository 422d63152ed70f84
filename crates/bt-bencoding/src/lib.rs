//! Bencode: borrowed, spans kept, strict or lenient by type, canonical encoder.
