use std::net::SocketAddrV4;

use serde_json::{Value, json};

use crate::harness::{Outcome, ensure, http::JsonApi};

/// The daemon's remote control.
#[derive(Debug)]
pub struct Rpc {
    api: JsonApi,
    /// Every request must repeat what the first answer said.
    session: Option<String>,
}

impl Rpc {
    pub fn at(address: SocketAddrV4) -> Self {
        Self {
            api: JsonApi(address),
            session: None,
        }
    }

    /// What it says of its only torrent; nothing if it does not listen yet.
    pub fn torrent(&mut self, fields: &[&str]) -> Outcome<Option<Value>> {
        let request = json!({ "method": "torrent-get", "arguments": { "fields": fields } });
        let answer = self.ask(&request)?;
        Ok(answer.map(|answer| answer["arguments"]["torrents"][0].clone()))
    }

    /// What it answers if all is well; nothing if it does not listen yet.
    pub fn ask(&mut self, request: &Value) -> Outcome<Option<Value>> {
        for _ in 0..2 {
            let session = self.session.as_deref().unwrap_or_default();
            let headers = [(SESSION, session)];
            let body = request.to_string();
            let asked = self
                .api
                .ask("POST", "/transmission/rpc", &headers, body.as_bytes());
            let Ok(answer) = asked else {
                return Ok(None);
            };
            if answer.status == 409 {
                self.session = answer.header(SESSION).map(str::to_owned);
                continue;
            }
            let answer = answer.json()?;
            ensure!(
                answer["result"] == "success",
                "transmission refused: {answer}"
            );
            return Ok(Some(answer));
        }
        Ok(None)
    }
}

const SESSION: &str = "X-Transmission-Session-Id";
