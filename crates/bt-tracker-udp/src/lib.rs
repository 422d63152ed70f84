//! UDP trackers without I/O: codec, client machine, small server machine.
