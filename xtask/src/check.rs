use crate::{Result, cmd::Cmd, readme, steps::Steps, tidy};

/// Everything that needs no test run.
pub(crate) fn all() -> Result {
    let mut steps = Steps::default();
    add_to(&mut steps);
    steps.finish()
}

pub(crate) fn add_to(steps: &mut Steps) {
    steps.run("format", format);
    steps.run("clippy", clippy);
    steps.run("docs", docs);
    steps.run("tidy", tidy::run);
    steps.run("deny", deny);
    steps.run("readme", readme::check);
}

fn format() -> Result {
    Cmd::cargo(&["fmt", "--all", "--check"]).run()?;
    Cmd::cargo(&["fmt", "--manifest-path", FUZZ_MANIFEST, "--check"]).run()
}

fn clippy() -> Result {
    let clippy = Cmd::cargo(&["clippy", "--workspace", "--all-targets", "--all-features"]);
    clippy.args(&["--", "-D", "warnings"]).run()?;
    let fuzz = Cmd::cargo(&["clippy", "--manifest-path", FUZZ_MANIFEST, "--all-targets"]);
    fuzz.args(&["--", "-D", "warnings"]).run()
}

fn docs() -> Result {
    Cmd::cargo(&["doc", "--workspace", "--no-deps", "--all-features"])
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()
}

/// Advisories are left out: their database is not on a package registry.
fn deny() -> Result {
    Cmd::cargo(&["fetch", "--locked"]).run()?;
    Cmd::cargo(&["deny", "--offline", "check", "bans", "licenses", "sources"]).run()
}

const FUZZ_MANIFEST: &str = "fuzz/Cargo.toml";
