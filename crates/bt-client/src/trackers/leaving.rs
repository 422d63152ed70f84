use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use bt_tracker::{Announce, AnnounceFailure, AnnounceId, DualStack, Event, Retry};

use crate::{mail::Outcome, tasks::AbortOnDrop};

/// The end of the announces that a torrent made before it turned out to be private: tells the
/// trackers that know us, and are not asked any more, that we go (BEP 27: peers of one tracker only).
///
/// It goes on beside the new announces. Whom those come to is not told, or would forget us.
pub(super) struct Leaving {
    schedule: DualStack,
    under_way: HashMap<AnnounceId, (Arc<str>, AbortOnDrop)>,
    /// Who is asked again.
    kept: HashSet<Arc<str>>,
    is_over: bool,
}

impl Leaving {
    pub(super) fn new(now: Instant, mut schedule: DualStack) -> Self {
        schedule.stop(now);
        Self {
            schedule,
            under_way: HashMap::new(),
            kept: HashSet::new(),
            is_over: false,
        }
    }

    /// This tracker is asked again, and so must not be told that we go.
    pub(super) fn keep(&mut self, now: Instant, url: &Arc<str>) {
        self.kept.insert(Arc::clone(url));
        let schedule = &mut self.schedule;
        self.under_way.retain(|id, (told, _)| {
            let stays = told != url;
            if !stays {
                schedule.handle_outcome(now, *id, Err(not_told()));
            }
            stays
        });
    }

    /// Starts what is to be said, and returns what there is to tell of it. No peers: they would be
    /// those of other trackers than the torrent's own.
    pub(super) fn drain(
        &mut self,
        now: Instant,
        mut begin: impl FnMut(Announce) -> AbortOnDrop,
    ) -> Vec<Event> {
        while let Some(announce) = self.schedule.poll_announce(now) {
            let (id, url) = (announce.id, Arc::clone(&announce.url));
            if self.kept.contains(&url) {
                self.schedule.handle_outcome(now, id, Err(not_told()));
            } else {
                self.under_way.insert(id, (url, begin(announce)));
            }
        }
        let mut events = Vec::new();
        while let Some(mut event) = self.schedule.poll_event() {
            match &mut event {
                Event::Abandoned { id } => _ = self.under_way.remove(id),
                Event::Stopped => self.is_over = true,
                Event::Failed { url, .. } if self.kept.contains(url) => {}
                Event::Answered { response, .. } => {
                    response.peers.clear();
                    events.push(event);
                }
                _ => events.push(event),
            }
        }
        events
    }

    pub(super) fn handle_outcome(&mut self, now: Instant, id: AnnounceId, outcome: Outcome) {
        self.under_way.remove(&id);
        self.schedule.handle_outcome(now, id, outcome);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.schedule.handle_timeout(now);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.schedule.poll_timeout()
    }

    /// All have been told, or could not be told in time.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }
}

/// What the schedule hears of whoever is kept.
fn not_told() -> AnnounceFailure {
    AnnounceFailure {
        message: "asked again".into(),
        retry: Retry::Unspecified,
    }
}

#[cfg(test)]
mod tests {
    use std::future;

    use bt_tracker::{Config, Family, Identity};
    use bt_types::{AnnounceEvent, AnnounceResponse, PeerId, SwarmId};

    use super::*;

    const FIRST: &str = "udp://a:1";
    const SECOND: &str = "udp://b:1";

    /// Both trackers know us.
    fn leaving(now: Instant) -> Leaving {
        let identity = Identity {
            swarm_id: SwarmId([1; 20]),
            peer_id: PeerId([2; 20]),
            key: 3,
            port: 4,
        };
        let tiers = [FIRST, SECOND].map(|url| vec![url.to_owned()]);
        let config = Config::new(identity);
        let mut schedule = DualStack::new(&tiers, &config, &[Family::V4], [5; 32]);
        schedule.start(now);
        while let Some(announce) = schedule.poll_announce(now) {
            schedule.handle_outcome(now, announce.id, Ok(AnnounceResponse::default()));
        }
        Leaving::new(now, schedule)
    }

    fn told(leaving: &mut Leaving, now: Instant) -> (Vec<Announce>, Vec<Event>) {
        let mut announces = Vec::new();
        let events = leaving.drain(now, |announce| {
            announces.push(announce);
            AbortOnDrop::spawn(future::pending())
        });
        let is_ours = |event: &Event| {
            matches!(
                event,
                Event::Answered {
                    event: AnnounceEvent::Stopped,
                    ..
                } | Event::Failed { .. }
            )
        };
        (announces, events.into_iter().filter(is_ours).collect())
    }

    #[tokio::test]
    async fn those_are_told_that_are_not_asked_again() {
        let now = Instant::now();
        let mut leaving = leaving(now);
        leaving.keep(now, &FIRST.into());
        let (announces, events) = told(&mut leaving, now);
        assert_eq!(events, []);
        let [goodbye] = &announces[..] else {
            panic!("{announces:?}")
        };
        assert_eq!(&*goodbye.url, SECOND);
        assert_eq!(goodbye.request.event, AnnounceEvent::Stopped);
        let mut response = AnnounceResponse::default();
        response.peers.push(([8, 8, 8, 8], 1).into());
        leaving.handle_outcome(now, goodbye.id, Ok(response));
        let (_, events) = told(&mut leaving, now);
        assert!(
            matches!(&events[..], [Event::Answered { response, .. }] if response.peers.is_empty()),
            "{events:?}"
        );
        assert!(leaving.is_over() && leaving.under_way.is_empty());
    }

    #[tokio::test]
    async fn who_is_asked_again_meanwhile_is_not_told_any_more() {
        let now = Instant::now();
        let mut leaving = leaving(now);
        assert_eq!(told(&mut leaving, now).0.len(), 2);
        for url in [FIRST, SECOND] {
            assert!(!leaving.is_over());
            leaving.keep(now, &url.into());
            assert_eq!(told(&mut leaving, now), (Vec::new(), Vec::new()));
        }
        assert!(leaving.is_over() && leaving.under_way.is_empty());
    }

    #[tokio::test]
    async fn who_does_not_answer_is_not_waited_for() {
        let now = Instant::now();
        let mut leaving = leaving(now);
        assert_eq!(told(&mut leaving, now).0.len(), 2);
        let deadline = leaving.poll_timeout().unwrap();
        leaving.handle_timeout(deadline);
        let (announces, events) = told(&mut leaving, deadline);
        assert_eq!((announces.len(), events.len()), (0, 2));
        assert!(leaving.is_over() && leaving.under_way.is_empty());
    }
}
