//! What there is to tell of a torrent's peers together.

use bt_client::{Snapshot, SourceCount, Wasted};

use crate::format::bytes;

/// One line: how much of the torrent is there, who told of peers, and what came in vain.
pub(super) fn overview(snapshot: &Snapshot) -> String {
    let stats = &snapshot.stats;
    let sources = stats.sources.iter();
    let sources: Vec<_> = sources
        .map(|(source, count)| (source.name(), count))
        .collect();
    words(&stats.copies.to_string(), &sources, stats.wasted)
}

fn words(copies: &str, sources: &[(&str, SourceCount)], wasted: Wasted) -> String {
    let mut parts = vec![format!("{copies} copies")];
    parts.extend(sources.iter().map(|(name, count)| {
        let SourceCount {
            named, connected, ..
        } = count;
        format!("{named} from {name}, {connected} reached")
    }));
    let in_vain = [
        (wasted.duplicate, "came twice"),
        (wasted.failed_hash, "failed their hash"),
        (wasted.not_kept, "not kept by the disk"),
        (wasted.unrequested, "nobody asked for"),
    ];
    let in_vain = in_vain.into_iter().filter(|(count, _)| *count > 0);
    parts.extend(in_vain.map(|(count, why)| format!("{} {why}", bytes(count))));
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(named: u64, connected: u64) -> SourceCount {
        let mut count = SourceCount::default();
        (count.named, count.connected) = (named, connected);
        count
    }

    #[test]
    fn what_is_nothing_is_not_told() {
        let mut wasted = Wasted::default();
        assert_eq!(words("0.000", &[], wasted), "0.000 copies");
        let sources = [("tracker", count(50, 7)), ("incoming", count(3, 3))];
        assert_eq!(
            words("7.215", &sources, wasted),
            "7.215 copies; 50 from tracker, 7 reached; 3 from incoming, 3 reached"
        );
        (wasted.duplicate, wasted.failed_hash) = (16_384, 3 << 20);
        assert_eq!(
            words("1.000", &sources[1..], wasted),
            "1.000 copies; 3 from incoming, 3 reached; 16.0 KiB came twice; \
             3.0 MiB failed their hash"
        );
        wasted.unrequested = 1;
        assert!(words("1.000", &[], wasted).ends_with("; 1 B nobody asked for"));
    }
}
