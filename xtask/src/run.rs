use crate::{Result, cmd::Cmd, workspace};

/// What the README tells everybody to run, and what is behind features too.
pub(crate) fn test() -> Result {
    Cmd::cargo(&["test", "--workspace", "--all-features"]).run()
}

/// Real clients against the release build of `bt`.
///
/// One build makes both programs, so that their dependencies are built once, with one set of
/// features.
pub(crate) fn interop(args: &[String]) -> Result {
    let build = ["build", "--release", "-p", "bt-cli", "-p", "bt-tests"];
    Cmd::cargo(&build)
        .args(&["--bin", "bt", "--bin", "interop"])
        .run()?;
    Cmd::new(release_binary("interop")).args(args).run()
}

/// Swarms on virtual time.
pub(crate) fn sim(args: &[String]) -> Result {
    build_sim()?;
    sim_cmd(args).run()
}

pub(crate) fn build_sim() -> Result {
    Cmd::cargo(&["build", "--release", "-p", "bt-tests", "--bin", "sim"]).run()
}

/// Of what `build_sim` has built.
pub(crate) fn sim_cmd(args: &[String]) -> Cmd {
    // Thousands of peers are gigabytes that are touched here and there: in pages of 2 MiB, for which
    // the C library asks only if told to, that takes an eighth less time.
    Cmd::new(release_binary("sim"))
        .args(args)
        .env("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
}

/// The page of odd torrents and the fuzz seeds; `cargo test` says when they are not current.
pub(crate) fn corpus() -> Result {
    Cmd::cargo(&["run", "-p", "bt-tests", "--bin", "corpus"]).run()
}

/// Where a release build puts `name`, as a path from the workspace's root.
pub(crate) fn release_binary(name: &str) -> String {
    workspace::short(&workspace::target_dir().join("release").join(name))
}
