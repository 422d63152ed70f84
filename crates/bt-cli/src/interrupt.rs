use std::process;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
#[cfg(windows)]
use tokio::signal::windows::{CtrlC, ctrl_c};

use crate::{
    exit::{Exit, Failure},
    format::in_full,
};

/// The user's wish that a command ends: Ctrl-C, or what a service manager sends.
pub(crate) struct Interrupt {
    #[cfg(unix)]
    signals: [Signal; 2],
    #[cfg(windows)]
    ctrl_c: CtrlC,
}

impl Interrupt {
    /// From here on a wish is noted, and ends nothing by itself. Within a runtime.
    pub(crate) fn listen() -> Result<Self, Failure> {
        Self::new().map_err(|error| {
            Failure::other(format!("cannot watch for signals: {}", in_full(&error)))
        })
    }

    #[cfg(unix)]
    fn new() -> std::io::Result<Self> {
        let signals = [
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        ];
        Ok(Self { signals })
    }

    #[cfg(windows)]
    fn new() -> std::io::Result<Self> {
        Ok(Self { ctrl_c: ctrl_c()? })
    }

    /// Waits for a wish, which may have come since [`listen`](Self::listen).
    pub(crate) async fn requested(&mut self) {
        #[cfg(unix)]
        {
            let [interrupt, terminate] = &mut self.signals;
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
        #[cfg(windows)]
        self.ctrl_c.recv().await;
    }

    /// Lets the next wish end the process at once, after one last act. For commands that are
    /// tidying up.
    pub(crate) fn end_at_next(mut self, last_act: impl FnOnce() + Send + 'static) {
        tokio::spawn(async move {
            self.requested().await;
            last_act();
            process::exit(Exit::Stopped as i32);
        });
    }
}
