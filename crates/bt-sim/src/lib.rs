//! Virtual clock, seeded links and disks, for simulating networks of sans-io machines.
