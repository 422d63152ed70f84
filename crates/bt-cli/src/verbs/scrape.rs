use std::{
    io::{self, Write},
    time::Duration,
};

use bt_client::{ScrapeEntry, TrackerClient};
use bt_types::SwarmId;
use serde::Serialize;
use tokio::time::timeout;

use super::announce::{failure, of_torrent, stopped};
use crate::{
    arguments::{Scrape, Swarm},
    exit::Failure,
    format::{duration, in_full},
    interrupt::Interrupt,
    json, stdout,
    transfer::block_on,
};

pub(crate) fn run(scrape: &Scrape) -> Result<(), Failure> {
    let ids: Result<Vec<_>, Failure> = scrape
        .swarms
        .iter()
        .map(|swarm| match swarm {
            Swarm::Id(id) => Ok(*id),
            Swarm::Torrent(path) => of_torrent(path).map(|(id, _)| id),
        })
        .collect();
    block_on(ask(scrape, &ids?))
}

async fn ask(scrape: &Scrape, ids: &[SwarmId]) -> Result<(), Failure> {
    let mut interrupt = Interrupt::listen()?;
    let client = TrackerClient::start(None).map_err(|error| Failure::other(in_full(&error)))?;
    let patience = Duration::from_secs(scrape.timeout);
    let answer = tokio::select! {
        biased;
        () = interrupt.requested() => return Err(stopped("interrupted before", &scrape.url)),
        answer = timeout(patience, client.scrape(&scrape.url, ids)) => answer,
    };
    let answer = match answer {
        Ok(answer) => answer.map_err(|error| failure(&error))?,
        Err(_) => {
            let late = format!("{} passed before", duration(patience));
            return Err(stopped(&late, &scrape.url));
        }
    };
    let scraped: Vec<_> = ids
        .iter()
        .zip(answer.swarms)
        .map(|(id, entry)| Scraped::new(&scrape.url, *id, entry))
        .collect();
    stdout::print(|out| match scrape.json {
        true => scraped.iter().try_for_each(|it| json::write(&mut *out, it)),
        false => write_for_people(&scraped, out),
    })
    .map(|_| ())
}

/// What the tracker said of one swarm. The keys are stable, and documented in the help.
#[derive(Debug, Serialize)]
struct Scraped<'a> {
    tracker: &'a str,
    info_hash: String,
    known: bool,
    seeders: Option<u32>,
    leechers: Option<u32>,
    completed: Option<u32>,
    downloaders: Option<u32>,
}

impl<'a> Scraped<'a> {
    fn new(tracker: &'a str, id: SwarmId, entry: Option<ScrapeEntry>) -> Self {
        let found = entry.unwrap_or_default();
        Self {
            tracker,
            info_hash: id.to_string(),
            known: entry.is_some(),
            seeders: found.seeders,
            leechers: found.leechers,
            completed: found.completed,
            downloaders: found.downloaders,
        }
    }
}

fn write_for_people(scraped: &[Scraped<'_>], out: &mut dyn Write) -> io::Result<()> {
    let count = |count: Option<u32>| count.map_or("-".to_owned(), |count| count.to_string());
    writeln!(
        out,
        "{:<42}{:>9}{:>9}{:>10}",
        "INFO HASH", "SEEDERS", "LEECHERS", "COMPLETED"
    )?;
    for swarm in scraped {
        if swarm.known {
            writeln!(
                out,
                "{:<42}{:>9}{:>9}{:>10}",
                swarm.info_hash,
                count(swarm.seeders),
                count(swarm.leechers),
                count(swarm.completed)
            )?;
        } else {
            writeln!(out, "{:<42}{:>9}", swarm.info_hash, "unknown")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scraped() -> [Scraped<'static>; 2] {
        let entry = ScrapeEntry {
            seeders: Some(11),
            completed: Some(13_772),
            ..ScrapeEntry::default()
        };
        [
            Scraped::new("udp://t:1", SwarmId([10; 20]), Some(entry)),
            Scraped::new("udp://t:1", SwarmId([11; 20]), None),
        ]
    }

    #[test]
    fn the_form_is_stable() {
        let found = serde_json::to_value(&scraped()[0]).unwrap();
        let expected = json!({
            "tracker": "udp://t:1",
            "info_hash": "0a".repeat(20),
            "known": true,
            "seeders": 11,
            "leechers": null,
            "completed": 13_772,
            "downloaders": null,
        });
        assert_eq!(found, expected);
        let mut bt = crate::command();
        let help = bt.find_subcommand_mut("scrape").unwrap().render_long_help();
        let help = help.to_string();
        for key in found.as_object().unwrap().keys() {
            assert!(help.contains(key.as_str()), "{key}");
        }
    }

    #[test]
    fn people_see_what_is_known() {
        let mut out = Vec::new();
        write_for_people(&scraped(), &mut out).unwrap();
        let expected = "\
INFO HASH                                   SEEDERS LEECHERS COMPLETED
0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a         11        -     13772
0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b    unknown
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
