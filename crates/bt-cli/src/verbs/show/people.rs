use std::{
    borrow::Cow,
    io::{self, Write},
};

use super::{
    date::utc,
    shown::{Format, Shown},
    tree,
};
use crate::format::{bytes, printable};

/// Every text from the torrent is escaped, and cut if it is longer than anybody would read.
pub(super) fn write_for_people(shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    let format = match shown.format {
        Format::V1 => None, // as nearly all are
        Format::V2 => Some("v2"),
        Format::Hybrid => Some("hybrid of v1 and v2"),
    };
    let size = format!("{} ({} bytes)", bytes(shown.total_size), shown.total_size);
    let piece_length = bytes(u64::from(shown.piece_length));
    let pieces = format!("{} of {piece_length}", shown.piece_count);
    let padding = format!("{} in {} files", bytes(shown.pad_size), shown.pad_files);
    let date = shown.creation_date.map(utc);
    let rows = [
        ("name", Some(shown.name)),
        ("format", format),
        ("info hash", shown.info_hash.as_deref()),
        ("info hash v2", shown.info_hash_v2.as_deref()),
        ("size", Some(&size)),
        ("pieces", Some(&pieces)),
        ("padding", (shown.pad_files > 0).then_some(&padding)),
        ("private", shown.private.then_some("yes")),
        ("source", shown.source),
        ("comment", shown.comment),
        ("created by", shown.created_by),
        ("created", date.as_deref()),
    ];
    for (label, value) in rows {
        if let Some(value) = value {
            write_row(out, label, value)?;
        }
    }
    for (tier, urls) in (1..).zip(shown.trackers) {
        for url in urls {
            write_row(out, &format!("tracker {tier}"), url)?;
        }
    }
    for url in shown.web_seeds {
        write_row(out, "web seed", url)?;
    }
    for node in &shown.nodes {
        write_row(out, "DHT node", node)?;
    }
    let (magnet, left_out) = short_link(&shown.magnet);
    write_row(out, "magnet link", &magnet)?;
    if left_out > 0 {
        let note = format!("(without {left_out} trackers or web seeds; --json shows all)");
        write_row(out, "", &note)?;
    }
    write_row(out, "files", &shown.files.len().to_string())?;
    tree::write(&shown.files, &shown.symlinks, out)
}

/// What has several lines keeps them: comments do.
pub(super) fn write_row(out: &mut dyn Write, label: &str, value: &str) -> io::Result<()> {
    let mut label = label;
    for line in value.trim_end().lines() {
        writeln!(
            out,
            "{}",
            format!("{label:<14}{}", short(&printable(line))).trim_end()
        )?;
        label = "";
    }
    Ok(())
}

fn short(line: &str) -> Cow<'_, str> {
    match line.char_indices().nth(MAX_LINE) {
        Some((end, _)) => Cow::Owned(format!("{}… (--json shows all)", &line[..end])),
        None => Cow::Borrowed(line),
    }
}

/// A magnet link as long as can be pasted, and how many of its parameters are not in it.
fn short_link(link: &str) -> (String, usize) {
    let (mut short, mut left_out) = (String::new(), 0);
    // What says which torrent it is comes first, and is short.
    for parameter in link.split('&') {
        if short.len() + 1 + parameter.len() > MAX_LINE {
            left_out += 1;
            continue;
        }
        if !short.is_empty() {
            short.push('&');
        }
        short.push_str(parameter);
    }
    (short, left_out)
}

/// In characters.
const MAX_LINE: usize = 2000;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bt_metainfo::{InfoBuilder, Metainfo, MetainfoBuilder};

    use super::{super::shown::tests::metainfo, *};

    #[test]
    fn no_line_is_longer_than_anybody_would_read() {
        let info = InfoBuilder::new("x", 16_384).single_file(1);
        let long = |first: char| format!("udp://{first}{}", "/".repeat(2000));
        let torrent = MetainfoBuilder::new(info.pieces([[0; 20]]).encode())
            .tier(["udp://one:1", &long('a'), &long('b'), "udp://two:2"])
            .comment("\u{1b}".repeat(3000));
        let metainfo = Metainfo::from_bytes(&torrent.encode()).unwrap();
        let mut out = Vec::new();
        write_for_people(&Shown::of(Path::new("x"), &metainfo), &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        let longest = out.lines().map(|line| line.chars().count()).max();
        assert!(longest < Some(MAX_LINE + 50), "{longest:?}");
        let of = |label: &str| out.lines().find(|line| line.starts_with(label)).unwrap();
        assert!(of("comment").ends_with("… (--json shows all)"));
        let magnet = of("magnet link");
        assert!(
            magnet.ends_with("&dn=x&tr=udp%3A%2F%2Fone%3A1&tr=udp%3A%2F%2Ftwo%3A2"),
            "{magnet}"
        );
        assert!(out.contains("(without 2 trackers or web seeds; --json shows all)"));
    }

    #[test]
    fn what_people_see_cannot_move_the_cursor() {
        let metainfo = metainfo();
        let mut out = Vec::new();
        write_for_people(&Shown::of(Path::new("x"), &metainfo), &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        let is_plain = |letter: char| letter == '\n' || !letter.is_control();
        assert!(out.chars().all(is_plain));
        let hash = metainfo.info().ids().v1().unwrap();
        let magnet = metainfo.magnet_link();
        let expected = format!(
            "\
name          al_bum
info hash     {hash}
size          30 B (30 bytes)
pieces        2 of 16.0 KiB
padding       16.0 KiB in 1 files
source        TRACKER
comment       turn\\u{{1b}}[31m red
              and back
tracker 1     udp://one:1
tracker 1     udp://two:2
tracker 2     udp://three:3
web seed      http://four/
magnet link   {magnet}
files         2
                 al_bum/
   1       10 B    a
                   sub/
   2       20 B      b
"
        );
        assert_eq!(out, expected);
    }
}
