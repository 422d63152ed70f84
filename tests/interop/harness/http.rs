use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddrV4, TcpStream},
};

use serde_json::Value;

use super::{Context, Outcome, ensure, wait};

/// Just enough HTTP for programs that are told things by it and answer in JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JsonApi(pub(crate) SocketAddrV4);

impl JsonApi {
    pub(crate) fn get(self, path: &str) -> Outcome<Value> {
        self.ask("GET", path, b"")
    }

    pub(crate) fn post(self, path: &str, body: &[u8]) -> Outcome<Value> {
        self.ask("POST", path, body)
    }

    fn ask(self, method: &str, path: &str, body: &[u8]) -> Outcome<Value> {
        let answer = self.exchange(method, path, body);
        answer.context(format_args!("{method} http://{}{path}", self.0))
    }

    fn exchange(self, method: &str, path: &str, body: &[u8]) -> Outcome<Value> {
        let stream = TcpStream::connect(self.0).context("connecting")?;
        stream
            .set_read_timeout(Some(wait::SOON))
            .context("setting a time-out")?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            self.0,
            body.len()
        );
        let request = [head.as_bytes(), body].concat();
        (&stream).write_all(&request).context("asking")?;

        let mut answer = BufReader::new(stream);
        let status = read_line(&mut answer)?;
        let mut length = None;
        loop {
            let line = read_line(&mut answer)?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = Some(value.trim().parse().context("reading the length")?);
            }
        }
        // Not all of them close when they are asked to.
        let mut body = String::new();
        let length = length.context("an answer without its length")?;
        answer
            .take(length)
            .read_to_string(&mut body)
            .context("reading the answer")?;
        ensure!(
            status.split(' ').nth(1) == Some("200"),
            "{status}: {}",
            body.trim()
        );
        serde_json::from_str(&body).context(format_args!("reading {body:?} as JSON"))
    }
}

fn read_line(answer: &mut impl BufRead) -> Outcome<String> {
    let mut line = String::new();
    let length = answer
        .read_line(&mut line)
        .context("reading the answer's head")?;
    ensure!(length > 0, "an answer that ends in its head");
    Ok(line.trim_end().to_owned())
}
