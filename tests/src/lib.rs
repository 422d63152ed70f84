//! Worlds of real swarms on virtual time.
