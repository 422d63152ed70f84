use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddrV4, TcpStream},
};

use serde_json::Value;

use super::{Context, Outcome, ensure, wait};

/// Just enough HTTP for programs that are told things by it and answer in JSON.
#[derive(Clone, Copy, Debug)]
pub struct JsonApi(pub SocketAddrV4);

/// What is answered, whatever the status.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl JsonApi {
    pub fn get(self, path: &str) -> Outcome<Value> {
        self.ask("GET", path, &[], b"")?.json()
    }

    pub fn post(self, path: &str, body: &[u8]) -> Outcome<Value> {
        self.ask("POST", path, &[], body)?.json()
    }

    /// With headers of one's own, and with the answer as it comes.
    pub fn ask(
        self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Outcome<Answer> {
        let answer = self.exchange(method, path, headers, body);
        answer.context(format_args!("{method} http://{}{path}", self.0))
    }

    fn exchange(
        self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Outcome<Answer> {
        let stream = TcpStream::connect(self.0).context("connecting")?;
        stream
            .set_read_timeout(Some(wait::SOON))
            .context("setting a time-out")?;
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\
             Content-Length: {}\r\n\r\n",
            self.0,
            body.len()
        );
        let request = [head.as_bytes(), body].concat();
        (&stream).write_all(&request).context("asking")?;
        Answer::read(BufReader::new(stream))
    }
}

impl Answer {
    fn read(mut from: impl BufRead) -> Outcome<Self> {
        let status = read_line(&mut from)?;
        let status = status.split(' ').nth(1).and_then(|word| word.parse().ok());
        let mut answer = Self {
            status: status.context("an answer without a status")?,
            headers: Vec::new(),
            body: String::new(),
        };
        loop {
            let line = read_line(&mut from)?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':') {
                let value = value.trim().to_owned();
                answer.headers.push((name.to_owned(), value));
            }
        }
        // Not all of them close when they are asked to.
        let length = answer.header("Content-Length");
        let length = length.context("an answer without its length")?;
        let length = length.parse().context("reading the length")?;
        from.take(length)
            .read_to_string(&mut answer.body)
            .context("reading the answer")?;
        Ok(answer)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Its body, if the status says that all is well.
    pub fn json(&self) -> Outcome<Value> {
        let (status, body) = (self.status, self.body.trim());
        ensure!(status == 200, "status {status}: {body}");
        serde_json::from_str(body).context(format_args!("reading {body:?} as JSON"))
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
