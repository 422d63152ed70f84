//! The corpus against `bt-metainfo`, and against what is written of it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use bt_hash::sha1;
use bt_metainfo::{FileKind, Metainfo};
use bt_tests::corpus::{Fate, MAX_SEED_LENGTH, Sample, Torrent, samples, table};

#[test]
fn every_torrent_is_taken_or_refused_as_the_table_says() {
    let mut mistakes = Vec::new();
    for sample in samples() {
        let torrent = sample.make();
        if let Err(mistake) = judge(&sample, &torrent) {
            mistakes.push(format!("{}: {mistake}", sample.name));
        }
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

fn judge(sample: &Sample, torrent: &Torrent) -> Result<(), String> {
    let metainfo = match (Metainfo::from_bytes(&torrent.bytes), sample.fate) {
        // The command knows better words.
        (Err(_), Fate::Refused(_)) if torrent.bytes.is_empty() => return Ok(()),
        (Err(error), Fate::Refused(says)) if error.to_string().contains(says) => return Ok(()),
        (Ok(metainfo), fate) if !matches!(fate, Fate::Refused(_)) => metainfo,
        (Err(error), _) => return Err(format!("refused, {error}")),
        (Ok(_), _) => return Err("taken".to_owned()),
    };
    let info = metainfo.info();
    let is_other = |v1: bt_types::InfoHash| v1.0 != sha1(&torrent.info);
    if info.ids().v1().is_some_and(is_other) {
        return Err("the info hash is not that of the bytes as they are".to_owned());
    }
    if matches!(sample.fate, Fate::Unfetchable(_)) {
        return Ok(());
    }
    let data = info
        .files()
        .iter()
        .filter(|file| file.kind == FileKind::Data);
    let found: BTreeSet<_> = data
        .map(|file| (file.path.to_string(), file.length))
        .collect();
    let expected = torrent.data.iter();
    let expected: BTreeSet<_> = expected
        .map(|file| (file.path.clone(), file.bytes.len() as u64))
        .collect();
    let missing: Vec<_> = expected.difference(&found).take(3).collect();
    let surplus: Vec<_> = found.difference(&expected).take(3).collect();
    if !missing.is_empty() || !surplus.is_empty() {
        return Err(format!("expected {missing:?}, found {surplus:?}"));
    }
    Ok(())
}

#[test]
fn names_are_unique_and_plain() {
    let samples = samples();
    let names: BTreeSet<_> = samples.iter().map(|sample| sample.name).collect();
    assert_eq!(names.len(), samples.len());
    for name in names {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-/".contains(c);
        assert!(
            name.chars().all(is_plain) && name.matches('/').count() == 1,
            "{name}"
        );
    }
}

#[test]
fn the_page_and_the_seeds_are_those_of_the_corpus() {
    let page = fs::read_to_string(root().join("docs/corpus.md")).unwrap_or_default();
    assert!(
        page == table(),
        "docs/corpus.md is not current: cargo xtask corpus"
    );
    for sample in samples() {
        let bytes = sample.make().bytes;
        if bytes.len() <= MAX_SEED_LENGTH {
            let name = format!("fuzz/corpus/metainfo_parse/{}.torrent", sample.file_stem());
            let seed = fs::read(root().join(&name)).unwrap_or_default();
            assert!(seed == bytes, "{name} is not current: cargo xtask corpus");
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
