//! Two addresses that are not 127.x, which transmission takes for nobody's, on a loopback of our own.

use std::{env, fs, net::Ipv4Addr, os::unix::process::CommandExt, process::Command};

use bt_tests::harness::{Context, Failure, Outcome, configure};

/// The tracker and the seeder.
pub(crate) const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// Who downloads, as far as it can be told to use an address. Transmission keeps one peer for an
/// address, so the two must differ.
pub(crate) const LEECHER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

/// Makes sure that this process lives in a network namespace of its own, which goes with it: starts
/// this program anew in one if need be.
pub(crate) fn enter() -> Outcome {
    if !is_alone()? {
        let again = Command::new("unshare")
            .args(["--net", "--"])
            .arg(env::current_exe().context("finding this program")?)
            .args(env::args_os().skip(1))
            .exec();
        return Err(Failure::new(format!(
            "cannot run unshare (util-linux): {again}"
        )));
    }
    ip(&["link", "set", "lo", "up"])?;
    for address in [SOURCE, LEECHER] {
        ip(&["address", "replace", &format!("{address}/32"), "dev", "lo"])?;
    }
    Ok(())
}

/// Whether there is nothing but a loopback here.
fn is_alone() -> Outcome<bool> {
    let devices = fs::read_to_string("/proc/self/net/dev").context("listing network devices")?;
    let names = devices.lines().filter_map(|line| line.split_once(':'));
    Ok(names.map(|(name, _)| name.trim()).eq(["lo"]))
}

fn ip(arguments: &[&str]) -> Outcome {
    configure("ip", arguments)
}
