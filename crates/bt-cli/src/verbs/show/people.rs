use std::io::{self, Write};

use super::{
    date::utc,
    shown::{Format, Shown},
    tree,
};
use crate::format::{bytes, printable};

/// Every text from the torrent is escaped.
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
    write_row(out, "magnet link", &shown.magnet)?;
    write_row(out, "files", &shown.files.len().to_string())?;
    tree::write(&shown.files, &shown.symlinks, out)
}

/// What has several lines keeps them: comments do.
fn write_row(out: &mut dyn Write, label: &str, value: &str) -> io::Result<()> {
    let mut label = label;
    for line in value.trim_end().lines() {
        writeln!(
            out,
            "{}",
            format!("{label:<14}{}", printable(line)).trim_end()
        )?;
        label = "";
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{super::shown::tests::metainfo, *};

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
      10 B      a
                sub/
      20 B        b
"
        );
        assert_eq!(out, expected);
    }
}
