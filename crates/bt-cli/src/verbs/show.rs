use std::io::{self, Write};

use bt_metainfo::{FileKind, Metainfo};
use serde::Serialize;

use crate::{
    arguments::Show,
    exit::Failure,
    format::{bytes, printable},
    json, torrent_file,
};

pub(crate) fn run(show: &Show) -> Result<(), Failure> {
    let metainfo = torrent_file::read(&show.torrent)?;
    let shown = Shown::of(&metainfo);
    if show.json {
        json::print(&shown);
    } else {
        // If nobody reads any more, that is no failure of ours: `head` does so.
        let _ = shown.write(&mut io::stdout().lock());
    }
    Ok(())
}

/// What is in a torrent. The keys are stable.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    name: &'a str,
    info_hash: Option<String>,
    info_hash_v2: Option<String>,
    /// Bytes of all files, padding not counted.
    total_size: u64,
    piece_length: u32,
    piece_count: u32,
    private: bool,
    /// As they would be written; pad files are not, nor are symbolic links.
    files: Vec<ShownFile<'a>>,
    trackers: &'a [Vec<String>],
    web_seeds: &'a [String],
    comment: Option<&'a str>,
    created_by: Option<&'a str>,
    /// Seconds since 1970.
    creation_date: Option<i64>,
}

#[derive(Debug, Serialize)]
struct ShownFile<'a> {
    path: &'a str,
    length: u64,
}

impl<'a> Shown<'a> {
    fn of(metainfo: &'a Metainfo) -> Self {
        let info = metainfo.info();
        let files = info
            .files()
            .iter()
            .filter(|file| file.kind == FileKind::Data);
        let ids = info.ids();
        Self {
            name: info.name(),
            info_hash: ids.v1().map(|hash| hash.to_string()),
            info_hash_v2: ids.v2().map(|hash| hash.to_string()),
            total_size: info.layout().data_length(),
            piece_length: info.layout().nominal_piece_length(),
            piece_count: info.layout().piece_count(),
            private: info.is_private(),
            files: files
                .map(|file| ShownFile {
                    path: file.path.as_str(),
                    length: file.length,
                })
                .collect(),
            trackers: metainfo.tiers(),
            web_seeds: metainfo.web_seeds(),
            comment: metainfo.comment(),
            created_by: metainfo.created_by(),
            creation_date: metainfo.creation_date(),
        }
    }

    /// For people. Every text from the torrent is escaped.
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let size = format!("{} ({} bytes)", bytes(self.total_size), self.total_size);
        let pieces = format!(
            "{} of {}",
            self.piece_count,
            bytes(u64::from(self.piece_length))
        );
        let date = self.creation_date.map(utc);
        let rows = [
            ("name", Some(self.name)),
            ("info hash", self.info_hash.as_deref()),
            ("info hash v2", self.info_hash_v2.as_deref()),
            ("size", Some(&size)),
            ("pieces", Some(&pieces)),
            ("private", self.private.then_some("yes")),
            ("comment", self.comment),
            ("created by", self.created_by),
            ("created", date.as_deref()),
        ];
        for (label, value) in rows {
            if let Some(value) = value {
                writeln!(out, "{label:<14}{}", printable(value))?;
            }
        }
        for (tier, urls) in (1..).zip(self.trackers) {
            for url in urls {
                writeln!(out, "tracker {tier:<6}{}", printable(url))?;
            }
        }
        for url in self.web_seeds {
            writeln!(out, "web seed      {}", printable(url))?;
        }
        writeln!(out, "files         {}", self.files.len())?;
        for (number, file) in (1..).zip(&self.files) {
            writeln!(
                out,
                "{number:>5}  {:>10}  {}",
                bytes(file.length),
                printable(file.path)
            )?;
        }
        Ok(())
    }
}

/// `2026-11-22 12:00:00 UTC`. Strangers choose the number, so any must do.
fn utc(seconds: i64) -> String {
    let (days, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Howard Hinnant's civil_from_days: years begin in March, so that leap days come last.
    let days = i128::from(days) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i128::from(month <= 2);
    let (hours, minutes, seconds) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{seconds:02} UTC")
}

#[cfg(test)]
mod tests {
    use bt_metainfo::{InfoBuilder, MetainfoBuilder};

    use super::*;

    fn metainfo() -> Metainfo {
        let info = InfoBuilder::new("al\u{1b}bum", 16_384)
            .file(["a"], 10)
            .pad(16_374)
            .file(["sub", "b"], 20)
            .pieces([[1; 20], [2; 20]]);
        let torrent = MetainfoBuilder::new(info.encode())
            .tier(["udp://one:1", "udp://two:2"])
            .tier(["udp://three:3"])
            .comment("turn\u{1b}[31m red");
        Metainfo::from_bytes(&torrent.encode()).unwrap()
    }

    #[test]
    fn the_keys_are_stable() {
        let metainfo = metainfo();
        let shown: serde_json::Value = serde_json::to_value(Shown::of(&metainfo)).unwrap();
        let keys: Vec<_> = shown
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let mut expected = [
            "name",
            "info_hash",
            "info_hash_v2",
            "total_size",
            "piece_length",
            "piece_count",
            "private",
            "files",
            "trackers",
            "web_seeds",
            "comment",
            "created_by",
            "creation_date",
        ];
        expected.sort_unstable();
        let mut keys = keys;
        keys.sort_unstable();
        assert_eq!(keys, expected);
        assert_eq!(shown["total_size"], 30);
        assert_eq!(shown["files"].as_array().unwrap().len(), 2);
        assert_eq!(shown["files"][1]["length"], 20);
        assert!(
            shown["files"][1]["path"]
                .as_str()
                .unwrap()
                .ends_with("/sub/b")
        );
        assert_eq!(shown["trackers"][1][0], "udp://three:3");
        assert!(shown["info_hash_v2"].is_null() && shown["creation_date"].is_null());
        assert_eq!(shown["private"], false);
    }

    #[test]
    fn what_people_see_cannot_move_the_cursor() {
        let metainfo = metainfo();
        let mut out = Vec::new();
        Shown::of(&metainfo).write(&mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("turn\\u{1b}[31m red"), "{out}");
        assert!(
            out.chars()
                .all(|letter| letter == '\n' || !letter.is_control())
        );
    }

    #[test]
    fn dates_of_any_age() {
        for (seconds, date) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_795_348_800, "2026-11-22 12:00:00 UTC"),
            (-1, "1969-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(utc(seconds), date);
        }
        assert!(utc(i64::MAX).len() > 20 && utc(i64::MIN).len() > 20);
    }
}
