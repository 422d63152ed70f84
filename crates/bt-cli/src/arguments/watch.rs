use clap::Args;

/// What `get` shows beside its progress.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Watch {
    /// Show each connected peer: client, flags, rates, score, how it was found and why we choke it;
    /// below the progress in a terminal, else every few seconds
    #[arg(long)]
    pub(crate) peers: bool,

    /// Tell what limits the speed, with the figures that say so, and again whenever that changes: no
    /// peers, a tracker that is down, peers that choke us, pieces that nobody has, the disk, hashing,
    /// our own limits, or nothing but the peers themselves
    #[arg(long)]
    pub(crate) why: bool,
}
