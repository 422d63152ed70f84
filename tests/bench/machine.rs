//! Where the figures come from.

use std::{
    fs::{self, File},
    io,
    path::Path,
    process::Command,
    thread,
};

use bt_tests::harness::{Context, Outcome, ensure};
use serde_json::{Value, json};

pub(crate) fn describe() -> Outcome<Value> {
    let cpu = fs::read_to_string("/proc/cpuinfo").context("reading /proc/cpuinfo")?;
    let flags: Vec<_> = entry(&cpu, "flags").split(' ').collect();
    let notable = |flag: &&str| flags.contains(flag);
    let memory = fs::read_to_string("/proc/meminfo").context("reading /proc/meminfo")?;
    let memory = entry(&memory, "MemTotal");
    let kib: u64 = memory
        .trim_end_matches(" kB")
        .parse()
        .context("reading the size of memory")?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").context("asking for Linux")?;
    Ok(json!({
        "cpu": entry(&cpu, "model name"),
        "cpu_flags": HASHING_FLAGS.iter().filter(|flag| notable(flag)).collect::<Vec<_>>(),
        "cores": thread::available_parallelism().context("counting cores")?,
        "memory_bytes": kib * 1024,
        "kernel": format!("Linux {}", kernel.trim()),
    }))
}

/// How many processes wanted to run, on average over the last minute: what else went on.
pub(crate) fn load() -> Outcome<f64> {
    let load = fs::read_to_string("/proc/loadavg").context("reading /proc/loadavg")?;
    let first = load.split(' ').next().unwrap_or_default();
    first.parse().context("reading /proc/loadavg")
}

/// The kind of file system below `folder`, on which `bytes` must fit.
///
/// Memory is no disk: it would flatter whoever writes badly.
pub(crate) fn file_system(folder: &Path, bytes: u64) -> Outcome<String> {
    let output = Command::new("df")
        .args(["--output=fstype,avail", "-B1"])
        .arg(folder)
        .output()
        .context("running df")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    let (kind, free) = last
        .trim()
        .split_once(char::is_whitespace)
        .context("df said nothing")?;
    let free: u64 = free.trim().parse().context("reading what df said")?;
    let folder = folder.display();
    ensure!(
        kind != "tmpfs",
        "{folder} is in memory: point TMPDIR to a folder on a disk"
    );
    ensure!(
        free > bytes,
        "{folder} has {free} bytes left, and {bytes} are needed: point TMPDIR elsewhere"
    );
    Ok(kind.to_owned())
}

/// Has the page cache use `bytes` of memory, and give it back.
///
/// The host of a virtual machine takes away memory that has been free for some seconds. Whoever
/// first writes to such a page pays for its return, which can cost more than a whole download;
/// without this, immediately before a run, chance decides who that is.
pub(crate) fn touch_memory(folder: &Path, bytes: u64) -> Outcome {
    let path = folder.join("hole");
    // Reading it fills the page cache, and leaves nothing to be written, as writing would.
    let touched = File::create_new(&path)
        .and_then(|file| file.set_len(bytes))
        .and_then(|()| io::copy(&mut File::open(&path)?, &mut io::sink()));
    touched.context("touching memory")?;
    fs::remove_file(&path).context("touching memory")?;
    Ok(())
}

fn entry<'a>(listing: &'a str, name: &str) -> &'a str {
    let mut pairs = listing.lines().filter_map(|line| line.split_once(':'));
    let found = pairs.find(|(key, _)| key.trim() == name);
    found.map_or("", |(_, value)| value.trim())
}

const HASHING_FLAGS: &[&str] = &["sha_ni", "avx2", "avx512f"];
