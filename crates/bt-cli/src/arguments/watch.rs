use clap::Args;

/// What `get` and `seed` show beside their progress.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Watch {
    /// Show each connected peer: client, flags, rates, how it was found and more; below the progress
    /// in a terminal, else every few seconds
    #[arg(long)]
    pub(crate) peers: bool,
}
