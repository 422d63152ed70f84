use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::Notify;

/// Whether the writer may have handed something to the network that it has not reported. Whoever has
/// got what it wanted goes at once, and the reader must not say so before it is told what was sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Reporting(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_due: AtomicBool,
    done: Notify,
}

impl Reporting {
    /// What is written from now on has to be reported.
    pub(super) fn begin(&self) {
        self.0.is_due.store(true, Ordering::SeqCst);
    }

    /// All is reported.
    pub(super) fn end(&self) {
        self.0.is_due.store(false, Ordering::SeqCst);
        self.0.done.notify_waiters();
    }

    /// Waits until all is reported.
    pub(super) async fn ended(&self) {
        let mut done = pin!(self.0.done.notified());
        // From here on no end is missed.
        done.as_mut().enable();
        if self.0.is_due.load(Ordering::SeqCst) {
            done.await;
        }
    }
}
