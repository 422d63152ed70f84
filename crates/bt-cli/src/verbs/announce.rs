use std::{
    io::{self, Write},
    path::Path,
    time::Duration,
};

use bt_client::{AnnounceError, HttpError, TrackerClient};
use bt_types::{AnnounceEvent, AnnounceRequest, AnnounceResponse, SwarmId};
use serde::Serialize;
use tokio::time::timeout;
use tracing::info;

use crate::{
    arguments::{Announce, Swarm},
    exit::{Exit, Failure},
    format::{duration, in_full, printable},
    interrupt::Interrupt,
    json, stdout, torrent_file,
    transfer::block_on,
};

pub(crate) fn run(announce: &Announce) -> Result<(), Failure> {
    let (swarm_id, size) = match &announce.swarm {
        Swarm::Id(id) => (*id, None),
        Swarm::Torrent(path) => of_torrent(path)?,
    };
    block_on(ask(announce, swarm_id, announce.left.or(size)))
}

pub(super) fn of_torrent(path: &Path) -> Result<(SwarmId, Option<u64>), Failure> {
    let metainfo = torrent_file::read(path)?;
    let info = metainfo.info();
    let id = info.ids().primary_swarm_id();
    Ok((id, Some(info.layout().data_length())))
}

async fn ask(announce: &Announce, swarm_id: SwarmId, left: Option<u64>) -> Result<(), Failure> {
    let mut interrupt = Interrupt::listen()?;
    let client = TrackerClient::start(None).map_err(|error| Failure::other(in_full(&error)))?;
    let as_usual = client.request(swarm_id, announce.port);
    let request = AnnounceRequest {
        left: left.unwrap_or(as_usual.left),
        event: announce.event.map_or(as_usual.event, AnnounceEvent::from),
        num_want: announce.numwant,
        ..as_usual
    };
    let patience = Duration::from_secs(announce.timeout);
    let answer = tokio::select! {
        biased;
        () = interrupt.requested() => return Err(stopped("interrupted before", &announce.url)),
        answer = timeout(patience, client.announce(&announce.url, request)) => answer,
    };
    let answer = match answer {
        Ok(answer) => answer.map_err(|error| failure(&error))?,
        Err(_) => {
            let late = format!("{} passed before", duration(patience));
            return Err(stopped(&late, &announce.url));
        }
    };
    interrupt.end_at_next(|| {});
    let answered = Answered::new(announce, swarm_id, &answer);
    let printed = stdout::print(|out| match announce.json {
        true => json::write(out, &answered),
        false => answered.write_for_people(out),
    });
    if announce.event.is_none() {
        say_goodbye(&client, &announce.url, request).await;
    }
    printed.map(|_| ())
}

/// So that no peer is sent to who is not there. If it gets lost, the tracker forgets us by itself
/// when the interval is over.
async fn say_goodbye(client: &TrackerClient, url: &str, request: AnnounceRequest) {
    let goodbye = AnnounceRequest {
        event: AnnounceEvent::Stopped,
        num_want: Some(0),
        ..request
    };
    match timeout(GOODBYE, client.announce(url, goodbye)).await {
        Ok(Ok(_)) => info!("the tracker knows that we are gone"),
        Ok(Err(error)) => info!(reason = %printable(&in_full(&error)), "goodbye not taken"),
        Err(_) => info!("the tracker did not answer our goodbye"),
    }
}

pub(super) fn stopped(what: &str, url: &str) -> Failure {
    let url = printable(url);
    let message = format!("{what} {url} answered");
    Failure::new(Exit::Stopped, message)
}

pub(super) fn failure(error: &AnnounceError) -> Failure {
    match error {
        AnnounceError::Refused { reason, .. } => {
            Failure::other(format!("the tracker refuses: {}", printable(reason)))
        }
        AnnounceError::Http(error @ HttpError::TimedOut(_)) => {
            Failure::new(Exit::Stopped, in_full(error))
        }
        AnnounceError::NoAnswer { tracker } => {
            Failure::new(Exit::Stopped, format!("{tracker} does not answer"))
        }
        other => Failure::other(printable(&in_full(other))),
    }
}

/// What the tracker said. The keys are stable, and documented in the help.
#[derive(Debug, Serialize)]
struct Answered<'a> {
    tracker: &'a str,
    info_hash: String,
    interval_secs: u64,
    min_interval_secs: Option<u64>,
    seeders: Option<u32>,
    leechers: Option<u32>,
    peers: Vec<String>,
    external_ip: Option<String>,
    warning: Option<&'a str>,
}

impl<'a> Answered<'a> {
    fn new(announce: &'a Announce, swarm_id: SwarmId, answer: &'a AnnounceResponse) -> Self {
        Self {
            tracker: &announce.url,
            info_hash: swarm_id.to_string(),
            interval_secs: answer.interval.as_secs(),
            min_interval_secs: answer.min_interval.map(|interval| interval.as_secs()),
            seeders: answer.seeders,
            leechers: answer.leechers,
            peers: answer.peers.iter().map(ToString::to_string).collect(),
            external_ip: answer.external_ip.map(|ip| ip.to_string()),
            warning: answer.warning.as_deref(),
        }
    }

    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        let seconds = |seconds| duration(Duration::from_secs(seconds));
        let count = |count: Option<u32>| count.map(|count| count.to_string());
        let rows = [
            ("warning", self.warning.map(printable)),
            ("interval", Some(seconds(self.interval_secs))),
            ("min interval", self.min_interval_secs.map(seconds)),
            ("our address", self.external_ip.clone()),
            ("seeders", count(self.seeders)),
            ("leechers", count(self.leechers)),
            ("peers", Some(self.peers.len().to_string())),
        ];
        for (label, value) in rows {
            if let Some(value) = value {
                writeln!(out, "{label:<14}{value}")?;
            }
        }
        for peer in &self.peers {
            writeln!(out, "  {peer}")?;
        }
        Ok(())
    }
}

/// Longer than a tracker needs that has just answered.
const GOODBYE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;
    use crate::arguments::{Arguments, Verb};

    fn announce() -> Announce {
        let words = ["bt", "announce", "udp://t.example:1", "x"];
        match Arguments::parse_from(words).verb {
            Verb::Announce(announce) => announce,
            _ => unreachable!(),
        }
    }

    fn answer() -> AnnounceResponse {
        AnnounceResponse {
            interval: Duration::from_secs(1800),
            seeders: Some(2),
            leechers: Some(1),
            peers: vec![
                ([192, 0, 2, 7], 6881).into(),
                "[2001:db8::7]:0".parse().unwrap(),
            ],
            warning: Some("soon\u{1b}[2J gone".to_owned()),
            ..AnnounceResponse::default()
        }
    }

    #[test]
    fn the_form_is_stable() {
        let (announce, answer) = (announce(), answer());
        let answered = Answered::new(&announce, SwarmId([10; 20]), &answer);
        let answered = serde_json::to_value(&answered).unwrap();
        let expected = json!({
            "tracker": "udp://t.example:1",
            "info_hash": "0a".repeat(20),
            "interval_secs": 1800,
            "min_interval_secs": null,
            "seeders": 2,
            "leechers": 1,
            "peers": ["192.0.2.7:6881", "[2001:db8::7]:0"],
            "external_ip": null,
            "warning": "soon\u{1b}[2J gone",
        });
        assert_eq!(answered, expected);
        let mut bt = crate::command();
        let help = bt
            .find_subcommand_mut("announce")
            .unwrap()
            .render_long_help();
        let help = help.to_string();
        for key in answered.as_object().unwrap().keys() {
            assert!(help.contains(key.as_str()), "{key}");
        }
    }

    #[test]
    fn people_see_what_is_known() {
        let (announce, answer) = (announce(), answer());
        let answered = Answered::new(&announce, SwarmId([10; 20]), &answer);
        let mut out = Vec::new();
        answered.write_for_people(&mut out).unwrap();
        let expected = "\
warning       soon\\u{1b}[2J gone
interval      30m00s
seeders       2
leechers      1
peers         2
  192.0.2.7:6881
  [2001:db8::7]:0
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_refusal_and_silence_have_codes_of_their_own() {
        let tracker = ([192, 0, 2, 1], 1).into();
        let refused = failure(&AnnounceError::Refused {
            tracker,
            reason: "not\nregistered".to_owned(),
            retry: Default::default(),
        });
        assert_eq!(refused.exit, Exit::Other);
        assert_eq!(
            refused.to_string(),
            "the tracker refuses: not\\u{a}registered"
        );
        let silent = failure(&AnnounceError::NoAnswer { tracker });
        assert_eq!(silent.exit, Exit::Stopped);
    }
}
