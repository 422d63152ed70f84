//! A certificate authority of a case's own, made by openssl.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
};

use crate::harness::{Case, Context, Exit, Outcome, Program, ensure, wait};

/// Nobody trusts it who is not told to.
#[derive(Debug)]
pub(crate) struct Authority {
    folder: PathBuf,
    key: PathBuf,
    certificate: PathBuf,
}

impl Authority {
    pub(crate) fn new(case: &Case<'_>, name: &str) -> Outcome<Self> {
        let folder = case.folder(name)?;
        let [key, certificate] = make(case, &folder, name, CA, &[])?;
        Ok(Self {
            folder,
            key,
            certificate,
        })
    }

    /// What its users name to those whom they want to trust it.
    pub(crate) fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// Its own key and certificate, which a server should not use.
    pub(crate) fn itself(&self) -> [&Path; 2] {
        [&self.key, &self.certificate]
    }

    /// The key and the certificate of a server at an address.
    pub(crate) fn certify(&self, case: &Case<'_>, ip: Ipv4Addr) -> Outcome<[PathBuf; 2]> {
        let server = format!("basicConstraints = critical, CA:FALSE\nsubjectAltName = IP:{ip}\n");
        let (key, certificate) = (self.key.as_path(), self.certificate());
        let signed = ["-CA".as_ref(), certificate, "-CAkey".as_ref(), key];
        make(case, &self.folder, &ip.to_string(), &server, &signed)
    }
}

/// Makes `name.key` and `name.pem`, for a day, signed by itself if not told otherwise.
fn make(
    case: &Case<'_>,
    folder: &Path,
    name: &str,
    extensions: &str,
    signed: &[&Path],
) -> Outcome<[PathBuf; 2]> {
    let [config, key, certificate] =
        ["cnf", "key", "pem"].map(|kind| folder.join(format!("{name}.{kind}")));
    // Without one of ours it would add what the system's says.
    let text = format!("[req]\ndistinguished_name = name\n[name]\n[extensions]\n{extensions}");
    fs::write(&config, text).context("writing openssl's configuration")?;
    let mut command: Command = OPENSSL.command()?;
    command.args(["req", "-x509", "-days", "1", "-noenc"]);
    command.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    command.arg("-config").arg(&config);
    command.args(["-extensions", "extensions", "-subj", &format!("/CN={name}")]);
    command.args(signed);
    command
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate);
    let exit = case.spawn("openssl", command)?.wait_exit(wait::SOON)?;
    ensure!(exit == Exit::Code(0), "openssl made no certificate: {exit}");
    Ok([key, certificate])
}

const CA: &str = "basicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign\n";

const OPENSSL: Program = Program {
    name: "openssl",
    install: "apt-get install openssl",
};
