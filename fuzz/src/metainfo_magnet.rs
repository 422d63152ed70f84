//! A magnet link of any content: what is accepted is within bounds, and reads as the same when it
//! is written again.

use bt_metainfo::{MAX_PEERS, MAX_RANGES, MagnetLink};

/// All of it is the link; what is no UTF-8 becomes a replacement character.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(link) = text.parse::<MagnetLink>() else {
        return;
    };
    assert!(link.trackers.len() <= 100 && link.web_seeds.len() <= 50);
    assert!(link.peers.len() <= MAX_PEERS && link.peers.iter().all(|(_, port)| *port != 0));
    assert!(link.files.len() <= MAX_RANGES);
    let apart = |pair: &[std::ops::RangeInclusive<u32>]| {
        u64::from(*pair[0].end()) + 1 < u64::from(*pair[1].start())
    };
    assert!(link.files.windows(2).all(apart));
    assert!(link.files.iter().all(|range| !range.is_empty()));
    if let Some(name) = &link.name {
        assert!(
            !name.is_empty() && !name.contains(['/', '\\']) && !name.contains(char::is_control)
        );
    }
    let written = link.to_string();
    assert!(written.bytes().all(|byte| byte.is_ascii_graphic()));
    // Escapes make it three times as long, which may be too long.
    if written.len() <= bt_metainfo::MAX_LINK_LENGTH {
        assert_eq!(written.parse(), Ok(link));
    }
}
