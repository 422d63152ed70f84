use std::{net::SocketAddr, time::Duration};

use bt_client::{DhtClient, DhtQuery};
use bt_dht::{Event, Figures, Outcome};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::{
    arguments::How,
    exit::{Exit, Failure},
    format::{duration, in_full, printable, reason},
    interrupt::Interrupt,
    state_folder::state_folder,
};

/// A node that asks for a while.
pub(super) struct Asking {
    client: DhtClient,
    interrupt: Interrupt,
    patience: Duration,
    deadline: Instant,
}

/// How a question ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) figures: Figures,
    outcome: Result<Outcome, Failure>,
}

impl Asking {
    pub(super) fn start(how: &How) -> Result<Self, Failure> {
        let state = state_folder(how.state.as_deref());
        let client = DhtClient::start(&how.config(), None, state.as_deref());
        let client = client.map_err(|error| Failure::other(in_full(&error)))?;
        Self::with(client, how.timeout)
    }

    pub(super) fn with(client: DhtClient, timeout: u64) -> Result<Self, Failure> {
        let patience = Duration::from_secs(timeout);
        Ok(Self {
            client,
            interrupt: Interrupt::listen()?,
            patience,
            deadline: Instant::now() + patience,
        })
    }

    /// Where a host is.
    pub(super) async fn look_up(&mut self, host: &str) -> Result<SocketAddr, Failure> {
        let name = printable(host);
        match timeout_at(self.deadline, self.client.look_up(host)).await {
            Ok(Ok(address)) => Ok(address),
            Ok(Err(error)) => {
                let message = format!("cannot look up {name}: {}", reason(&error));
                Err(Failure::other(message))
            }
            Err(_) => Err(self.timed_out()),
        }
    }

    /// Asks until it is answered, or no time is left; `heed` sees what comes.
    pub(super) async fn ask(
        &mut self,
        query: DhtQuery,
        mut heed: impl FnMut(Event) -> Result<(), Failure>,
    ) -> Result<Ended, Failure> {
        let mut events = self.client.ask(query);
        let outcome = loop {
            tokio::select! {
                biased;
                () = self.interrupt.requested() => {
                    let message = "interrupted before the DHT was asked to the end";
                    break Err(Failure::new(Exit::Stopped, message));
                }
                event = events.next() => match event {
                    Some(Event::Finished { outcome, figures, .. }) => {
                        return Ok(Ended { figures, outcome: Ok(outcome) });
                    }
                    Some(event) => heed(event)?,
                    None => break Err(Failure::other("the DHT cannot be asked")),
                },
                () = sleep_until(self.deadline) => break Err(self.timed_out()),
            }
        };
        Ok(Ended {
            figures: Figures::default(),
            outcome,
        })
    }

    /// Leaves what it knows to the next. To be called before the last word is said.
    pub(super) async fn close(self) {
        self.client.close().await;
    }

    fn timed_out(&self) -> Failure {
        let message = format!(
            "{} passed before the DHT was asked to the end",
            duration(self.patience)
        );
        Failure::new(Exit::Stopped, message)
    }
}

impl Ended {
    /// What came of it; a failure if nobody has answered, or it was not waited for.
    pub(super) fn check(self) -> Result<Outcome, Failure> {
        let answered = self.figures.replies;
        let outcome = self.outcome()?;
        match answered {
            0 => Err(Failure::other(
                "no node of the DHT answers; is this machine online? --dht-node names one",
            )),
            _ => Ok(outcome),
        }
    }

    /// The same, whoever has answered.
    pub(super) fn outcome(self) -> Result<Outcome, Failure> {
        self.outcome
    }
}
