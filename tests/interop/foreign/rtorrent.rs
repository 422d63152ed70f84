use std::{
    fs,
    io::{Read, Write},
    net::SocketAddrV4,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{Client, Peer, Torrent};
use crate::harness::{Case, Context, Outcome, Process, Program, ensure, wait};

/// rtorrent, driven by XML-RPC over SCGI on a socket in the case's folder.
#[derive(Debug)]
pub(crate) struct Rtorrent;

impl Client for Rtorrent {
    fn name(&self) -> &'static str {
        "rtorrent"
    }

    fn start(
        &self,
        case: &Case<'_>,
        torrent: &Torrent,
        folder: &Path,
        upload_limit: Option<u64>,
    ) -> Outcome<Box<dyn Peer>> {
        let address = case.address()?;
        let home = case.folder(&format!("rtorrent-{}", address.port()))?;
        let socket = home.join("scgi");
        let config = home.join("rtorrent.rc");
        fs::write(
            &config,
            configuration(address, folder, &home, &socket, upload_limit),
        )
        .context("writing rtorrent's configuration")?;

        let mut command = RTORRENT.command()?;
        command.arg("-n").arg("-o");
        command.arg(format!("import={}", config.display()));
        let mut rtorrent = Running {
            process: case.spawn(self.name(), command)?,
            address,
            socket,
        };
        wait::until("rtorrent answers", wait::SOON, || {
            rtorrent.process.ensure_running()?;
            Ok(rtorrent.call("system.client_version", &[]).ok())
        })?;
        let path = torrent.path.to_str();
        let path = path.context("paths of the harness are UTF-8")?;
        rtorrent.call("load.start", &["", path])?;
        wait::until("rtorrent lists the torrent", wait::SOON, || {
            rtorrent.state()
        })?;
        Ok(Box::new(rtorrent))
    }
}

fn configuration(
    address: SocketAddrV4,
    folder: &Path,
    home: &Path,
    socket: &Path,
    upload_limit: Option<u64>,
) -> String {
    // Its unit is 1024 bytes per second, and 0 is no limit.
    let limit = upload_limit.map_or(0, |limit| limit.div_ceil(1024));
    // A daemon needs no terminal. And it takes torrents without trackers only if it has a DHT; this
    // one knows nobody to begin with.
    format!(
        "system.daemon.set = true\n\
         session.path.set = {home}\n\
         directory.default.set = {folder}\n\
         network.scgi.open_local = {socket}\n\
         network.bind_address.set = {ip}\n\
         network.port_range.set = {port}-{port}\n\
         network.port_random.set = no\n\
         trackers.use_udp.set = yes\n\
         dht.port.set = {port}\n\
         dht.mode.set = on\n\
         protocol.pex.set = no\n\
         throttle.global_up.max_rate.set_kb = {limit}\n",
        home = home.display(),
        folder = folder.display(),
        socket = socket.display(),
        ip = address.ip(),
        port = address.port(),
    )
}

struct Running {
    process: Process,
    address: SocketAddrV4,
    socket: PathBuf,
}

/// What it says of its only torrent.
struct State {
    is_complete: bool,
    is_checking: bool,
    uploaded: u64,
}

impl Running {
    fn state(&self) -> Outcome<Option<State>> {
        let asked = ["", "main", "d.complete=", "d.hashing=", "d.up.total="];
        let values = self.call("d.multicall2", &asked)?;
        let numbers: Result<Vec<u64>, _> = values.iter().map(|value| value.parse()).collect();
        Ok(match numbers.context("reading rtorrent's numbers")?[..] {
            [complete, hashing, uploaded] => Some(State {
                is_complete: complete == 1,
                is_checking: hashing != 0,
                uploaded,
            }),
            _ => None,
        })
    }

    /// The scalars of the answer, in their order.
    fn call(&self, method: &str, parameters: &[&str]) -> Outcome<Vec<String>> {
        let answer = self.exchange(&request(method, parameters));
        let answer = answer.context(format_args!("asking rtorrent for {method}"))?;
        ensure!(
            answer.contains("<methodResponse>") && !answer.contains("<fault>"),
            "rtorrent on {method}: {answer}"
        );
        Ok(scalars(&answer))
    }

    fn exchange(&self, request: &str) -> Outcome<String> {
        let mut stream = UnixStream::connect(&self.socket).context("connecting")?;
        stream
            .set_read_timeout(Some(wait::SOON))
            .context("setting a time-out")?;
        let headers = format!("CONTENT_LENGTH\0{}\0SCGI\x001\0", request.len());
        write!(stream, "{}:{headers},{request}", headers.len()).context("asking")?;
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .context("reading the answer")?;
        Ok(answer)
    }
}

impl Peer for Running {
    fn address(&self) -> SocketAddrV4 {
        self.address
    }

    fn wait_complete(&mut self, patience: Duration) -> Outcome {
        wait::until("rtorrent has everything", patience, || {
            self.process.ensure_running()?;
            let state = self.state()?;
            let is_done = |state: &State| state.is_complete && !state.is_checking;
            Ok(state.filter(is_done).map(|_| ()))
        })
    }

    fn has_uploaded(&mut self) -> Outcome<bool> {
        let state = self.state()?.context("rtorrent has lost its torrent")?;
        Ok(state.uploaded > 0)
    }

    fn stop(mut self: Box<Self>) -> Outcome {
        self.process.terminate()
    }
}

fn request(method: &str, parameters: &[&str]) -> String {
    let parameters: String = parameters
        .iter()
        .map(|text| text.replace('&', "&amp;").replace('<', "&lt;"))
        .map(|text| format!("<param><value><string>{text}</string></value></param>"))
        .collect();
    format!(
        "<methodCall><methodName>{method}</methodName><params>{parameters}</params></methodCall>"
    )
}

/// The text of every number and string in an answer, which are its innermost elements.
fn scalars(answer: &str) -> Vec<String> {
    let elements = answer.split('<').filter_map(|piece| piece.split_once('>'));
    elements
        .filter(|(name, _)| ["i4", "i8", "string"].contains(name))
        .map(|(_, text)| text.to_owned())
        .collect()
}

const RTORRENT: Program = Program {
    name: "rtorrent",
    install: "apt-get install rtorrent",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_by_its_scalars() {
        let answer = "<?xml version=\"1.0\"?>\r\n<methodResponse>\r\n<params>\r\n<param><value><array>\
            <data>\r\n<value><array><data>\r\n<value><i8>1</i8></value>\r\n<value><i8>0</i8></value>\r\n\
            <value><string>a b</string></value></data></array></value></data></array></value></param>";
        assert_eq!(scalars(answer), ["1", "0", "a b"]);
        assert!(request("x", &["<&"]).contains("<string>&lt;&amp;</string>"));
    }
}
