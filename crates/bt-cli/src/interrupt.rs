use std::{
    io, mem, process,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
#[cfg(windows)]
use tokio::signal::windows::{CtrlC, ctrl_c};
use tokio::{runtime, sync::Notify};

use crate::{
    exit::{Exit, Failure},
    format::in_full,
};

/// The user's wish that a command ends: Ctrl-C, or what a service manager sends.
///
/// The first one is for the command to follow. If another comes before that is done, or if one
/// comes when this is gone and nobody would follow it, the process ends at once: a command that
/// waits, say for who does not read its output, can be ended whatever it waits for.
pub(crate) struct Interrupt {
    shared: Arc<Shared>,
    /// Whether the next wish is to end the process when this is gone.
    arms: bool,
}

struct Shared {
    /// Holds a wish until it is asked for.
    noted: Notify,
    plan: Mutex<Plan>,
}

/// What the next wish does.
struct Plan {
    ends_at_next: bool,
    last_act: Box<dyn FnOnce() + Send>,
}

impl Interrupt {
    /// From here on the first wish is noted, and ends nothing by itself.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let shared = Arc::new(Shared {
            noted: Notify::new(),
            plan: Mutex::new(Plan {
                ends_at_next: false,
                last_act: Box::new(|| {}),
            }),
        });
        let listening = Arc::clone(&shared);
        on_own_thread(move || listening.note())
            .map_err(|error| {
                Failure::other(format!("cannot watch for signals: {}", in_full(&error)))
            })
            .map(|()| Self { shared, arms: true })
    }

    /// Waits for a wish, which may have come since [`listen`](Self::listen).
    pub(crate) async fn requested(&mut self) {
        self.shared.noted.notified().await;
    }

    /// What is left to do when the process is ended at once.
    pub(crate) fn set_last_act(&self, last_act: impl FnOnce() + Send + 'static) {
        self.shared.plan().last_act = Box::new(last_act);
    }

    /// Lets the next wish end the process at once, after one last act. For commands that are
    /// tidying up.
    pub(crate) fn end_at_next(self, last_act: impl FnOnce() + Send + 'static) {
        self.set_last_act(last_act);
    }

    /// What was wished for is done: who wishes that it ends, which it does, is not to make a failure of
    /// it, however late that comes. Another wish ends the process at once.
    pub(crate) fn ends_anyway(mut self) {
        self.arms = false;
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        if self.arms {
            self.shared.plan().ends_at_next = true;
        }
    }
}

impl Shared {
    fn note(&self) {
        let mut plan = self.plan();
        if mem::replace(&mut plan.ends_at_next, true) {
            mem::replace(&mut plan.last_act, Box::new(|| {}))();
            process::exit(Exit::Stopped as i32);
        }
        self.noted.notify_one();
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        // Were a last act to panic, the plan would still be whole.
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls `note` for each wish, as long as the process lives. The thread and the runtime are its
/// own: those of the command may be blocked or gone, and once tokio has been asked for signals
/// they never again do what they do by default.
fn on_own_thread(note: impl Fn() + Send + 'static) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    let (started, is_started) = mpsc::sync_channel(1);
    let listen = async move {
        let signals = Signals::new();
        let mut signals = match signals {
            Ok(signals) => signals,
            Err(error) => return drop(started.send(Err(error))),
        };
        drop(started.send(Ok(())));
        while signals.next().await {
            note();
        }
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || runtime.block_on(listen))?;
    is_started.recv().map_err(io::Error::other)?
}

#[cfg(unix)]
struct Signals([Signal; 2]);

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        ]))
    }

    /// `false` if there will be no more.
    async fn next(&mut self) -> bool {
        let [interrupt, terminate] = &mut self.0;
        tokio::select! {
            interrupted = interrupt.recv() => interrupted.is_some(),
            terminated = terminate.recv() => terminated.is_some(),
        }
    }
}

#[cfg(windows)]
struct Signals(CtrlC);

#[cfg(windows)]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self(ctrl_c()?))
    }

    /// `false` if there will be no more.
    async fn next(&mut self) -> bool {
        self.0.recv().await.is_some()
    }
}
