//! Runs every committed seed through its target's body, on stable and without libFuzzer.

use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use bt_fuzz::TARGETS;

#[test]
fn every_seed_passes() {
    let mut failures = Vec::new();
    for (name, run) in TARGETS {
        let seeds = seeds_of(name);
        assert!(!seeds.is_empty(), "no seeds in corpus/{name}");
        for seed in seeds {
            let data = fs::read(&seed).expect("a readable seed");
            if catch_unwind(AssertUnwindSafe(|| run(&data))).is_err() {
                failures.push(seed);
            }
        }
    }
    assert!(
        failures.is_empty(),
        "the panics above are those of {failures:#?}"
    );
}

/// The ends of every seed are cut off and repeated: what the network does to real messages.
#[test]
fn every_seed_cut_short_or_doubled_passes() {
    for (name, run) in TARGETS {
        for seed in seeds_of(name) {
            let data = fs::read(&seed).expect("a readable seed");
            for length in (0..data.len().min(CUTS)).chain([data.len().saturating_sub(1)]) {
                run(&data[..length]);
            }
            run(&data.repeat(2));
        }
    }
}

#[test]
fn targets_corpora_and_shims_match() {
    let targets: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(targets.len(), TARGETS.len(), "a target stands twice");
    assert_eq!(names_in("corpus"), targets, "folders in corpus/");
    assert_eq!(names_in("fuzz_targets"), targets, "files in fuzz_targets/");
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the manifest");
    for target in targets {
        let bin = format!("[[bin]]\nname = \"{target}\"\npath = \"fuzz_targets/{target}.rs\"\n");
        assert!(manifest.contains(&bin), "Cargo.toml lacks\n{bin}");
        let shim = fs::read_to_string(root().join(format!("fuzz_targets/{target}.rs")))
            .expect("the shim, seen above");
        let call = format!("bt_fuzz::{target}::run(data)");
        assert!(
            shim.contains(&call),
            "fuzz_targets/{target}.rs lacks {call}"
        );
    }
}

fn seeds_of(target: &str) -> Vec<PathBuf> {
    let mut seeds = paths_in(&format!("corpus/{target}"));
    seeds.sort();
    seeds
}

fn names_in(folder: &str) -> BTreeSet<String> {
    let paths = paths_in(folder).into_iter();
    let stems = paths.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()));
    stems.collect()
}

/// Nothing where the folder is missing, which the callers report with its name.
fn paths_in(folder: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root().join(folder)) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    paths.collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Seeds are longer than the headers whose cuts are worth trying one by one.
const CUTS: usize = 512;
