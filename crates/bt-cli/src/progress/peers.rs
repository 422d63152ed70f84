//! The connected peers as a table.

use std::cmp::Reverse;

use bt_client::PeerInfo;
use bt_types::PeerSource;
use console::{Alignment, pad_str, truncate_str};

use crate::format::{bytes, percent, printable};

/// A headline, and a line for each peer, at most `most` of them: those first that send most, then
/// those that take most. What is left out is counted in a last line.
pub(super) fn table(peers: &[PeerInfo], most: usize) -> Vec<String> {
    lines(peers.iter().map(Row::of).collect(), most)
}

/// A peer, as far as it is shown.
#[derive(Clone, Debug, Default)]
struct Row {
    address: String,
    client: String,
    transport: &'static str,
    flags: String,
    down: u64,
    up: u64,
    percent: u64,
    score: u64,
    sources: String,
    why_choked: String,
}

impl Row {
    fn of(peer: &PeerInfo) -> Self {
        let sources: Vec<_> = peer.sources.iter().map(PeerSource::name).collect();
        let why_choked = peer.why_choked.map(|why| why.to_string());
        Self {
            address: peer.addr.to_string(),
            client: printable(&peer.client().unwrap_or_default()),
            transport: peer.transport.name(),
            flags: peer.flags(),
            down: peer.download_rate_bytes_per_sec,
            up: peer.upload_rate_bytes_per_sec,
            percent: percent(peer.pieces.into(), peer.piece_count.max(1).into()),
            score: peer.worth_bytes_per_sec,
            sources: sources.join("+"),
            why_choked: why_choked.unwrap_or_default(),
        }
    }

    fn line(&self) -> String {
        let share = format!("{}%", self.percent);
        let columns = [
            (&*self.address, 21, Alignment::Left),
            (&self.client, 18, Alignment::Left),
            (self.transport, 4, Alignment::Left),
            (&self.flags, 6, Alignment::Left),
            (&short(self.down), 10, Alignment::Right),
            (&short(self.up), 10, Alignment::Right),
            (&share, 4, Alignment::Right),
            (&short(self.score), 10, Alignment::Right),
            (&self.sources, 8, Alignment::Left),
            (&self.why_choked, 19, Alignment::Left),
        ];
        joined(columns)
    }
}

fn lines(mut rows: Vec<Row>, most: usize) -> Vec<String> {
    if rows.is_empty() {
        return vec!["no peer is connected".to_owned()];
    }
    rows.sort_by(|a, b| {
        let first = |row: &Row| Reverse((row.down, row.up));
        (first(a), &a.address).cmp(&(first(b), &b.address))
    });
    let mut lines = vec![headline()];
    lines.extend(rows.iter().take(most).map(Row::line));
    if rows.len() > most {
        lines.push(format!("and {} more", rows.len() - most));
    }
    lines
}

fn headline() -> String {
    joined([
        ("PEER", 21, Alignment::Left),
        ("CLIENT", 18, Alignment::Left),
        ("VIA", 4, Alignment::Left),
        ("FLAGS", 6, Alignment::Left),
        ("DOWN/s", 10, Alignment::Right),
        ("UP/s", 10, Alignment::Right),
        ("HAS", 4, Alignment::Right),
        ("SCORE/s", 10, Alignment::Right),
        ("FROM", 8, Alignment::Left),
        ("WE CHOKE IT AS", 19, Alignment::Left),
    ])
}

fn joined(columns: [(&str, usize, Alignment); 10]) -> String {
    let columns = columns.map(|(text, width, side)| {
        // An address of IPv6 is shown whole, since nobody could do anything with a part of it.
        let most = if text.contains(':') {
            text.len()
        } else {
            width
        };
        // A letter of two columns that is cut off may leave one of them.
        pad_str(&truncate_str(text, most, "…"), width, side, None).into_owned()
    });
    columns.join(" ").trim_end().to_owned()
}

/// Next to nothing for nothing, so that those are seen who send.
fn short(bytes_per_sec: u64) -> String {
    match bytes_per_sec {
        0 => "-".to_owned(),
        count => bytes(count),
    }
}

#[cfg(test)]
mod tests {
    use console::measure_text_width;

    use super::*;

    fn row(number: u64) -> Row {
        Row {
            address: format!("192.0.2.{number}:6881"),
            client: "qBittorrent 4.5.2".to_owned(),
            transport: "tcp",
            flags: "DuC".to_owned(),
            down: number * 1024,
            percent: 25,
            score: number * 700,
            sources: "tracker".to_owned(),
            why_choked: "slots are full".to_owned(),
            ..Row::default()
        }
    }

    #[test]
    fn a_line_has_all_of_it() {
        let shown = lines(vec![row(3)], 9);
        assert_eq!(
            shown,
            [
                "PEER                  CLIENT             VIA  FLAGS      DOWN/s       UP/s  HAS    \
                 SCORE/s FROM     WE CHOKE IT AS",
                "192.0.2.3:6881        qBittorrent 4.5.2  tcp  DuC       3.0 KiB          -  25%    \
                 2.1 KiB tracker  slots are full",
            ]
        );
    }

    #[test]
    fn those_who_send_come_first_and_the_rest_is_counted() {
        let rows: Vec<_> = (0..5).map(row).collect();
        let shown = lines(rows.clone(), 2);
        assert_eq!(shown.len(), 4);
        let starts = ["PEER", "192.0.2.4:", "192.0.2.3:", "and 3 more"];
        let all = shown.iter().zip(starts);
        all.for_each(|(line, start)| assert!(line.starts_with(start), "{shown:?}"));
        assert_eq!(lines(rows, 5).len(), 6);
        assert_eq!(lines(Vec::new(), 5), ["no peer is connected"]);
    }

    #[test]
    fn columns_stay_where_they_are_whatever_a_peer_calls_itself() {
        let place = |line: &str| line.find("tcp").map(|at| measure_text_width(&line[..at]));
        let usual = place(&row(1).line());
        for name in [
            "",
            "x",
            "名前の長いクライアントです",
            "a very long name indeed, longer",
        ] {
            let line = Row {
                client: printable(name),
                ..row(1)
            };
            assert_eq!(place(&line.line()), usual, "{name}");
        }
        let address = "[2001:db8:1:2:3:4:5:6]:50000";
        let long = Row {
            address: address.to_owned(),
            ..row(1)
        };
        assert!(long.line().starts_with(address));
    }
}
