use std::net::{IpAddr, SocketAddr};

use super::{Body, Message, Method, Query, Response, Want};

/// Appends a message to `out`, in canonical form.
///
/// [`Method::Unknown`] is written as `find_node`, since that is what it is answered like.
pub fn encode(message: &Message<'_>, out: &mut Vec<u8>) {
    let mut writer = Writer(out);
    writer.open();
    match &message.body {
        Body::Query(query) => {
            writer.query(query);
            if query.is_read_only {
                writer.int("ro", 1);
            }
        }
        Body::Response(response) => {
            writer.external(response.external);
            writer.response(response);
        }
        Body::Error(error) => {
            writer.key("e");
            writer.0.push(b'l');
            writer.int_value(error.code);
            writer.string(error.message);
            writer.close();
            writer.external(error.external);
        }
    }
    writer.bytes("t", message.transaction_id);
    if let Some(version) = message.version {
        writer.bytes("v", version);
    }
    let kind = match message.body {
        Body::Query(_) => "q",
        Body::Response(_) => "r",
        Body::Error(_) => "e",
    };
    writer.bytes("y", kind);
    writer.close();
}

/// Keys must come sorted; `Encoder` of `bt-bencoding` would sort them, and allocate for that.
struct Writer<'o>(&'o mut Vec<u8>);

impl Writer<'_> {
    fn query(&mut self, query: &Query<'_>) {
        self.key("a");
        self.open();
        let (id, want) = (&query.id.0, query.want);
        let name = match query.method {
            Method::Ping => {
                self.bytes("id", id);
                "ping"
            }
            Method::FindNode { target } | Method::Unknown { target } => {
                self.bytes("id", id);
                self.bytes("target", target.0);
                self.want(want);
                "find_node"
            }
            Method::GetPeers {
                info_hash,
                no_seeds,
                scrape,
            } => {
                self.bytes("id", id);
                self.bytes("info_hash", info_hash.0);
                self.flag("noseed", no_seeds);
                self.flag("scrape", scrape);
                self.want(want);
                "get_peers"
            }
            Method::AnnouncePeer {
                info_hash,
                port,
                implied_port,
                is_seed,
                token,
            } => {
                self.bytes("id", id);
                self.flag("implied_port", implied_port);
                self.bytes("info_hash", info_hash.0);
                self.int("port", port.into());
                self.flag("seed", is_seed);
                self.bytes("token", token);
                "announce_peer"
            }
            Method::Get { target, newer_than } => {
                self.bytes("id", id);
                if let Some(seq) = newer_than {
                    self.int("seq", seq);
                }
                self.bytes("target", target.0);
                self.want(want);
                "get"
            }
            Method::Put {
                token,
                value,
                signed,
            } => {
                if let Some(cas) = signed.and_then(|signed| signed.cas) {
                    self.int("cas", cas);
                }
                self.bytes("id", id);
                if let Some(signed) = signed {
                    self.bytes("k", signed.key);
                    if !signed.salt.is_empty() {
                        self.bytes("salt", signed.salt);
                    }
                    self.int("seq", signed.seq);
                    self.bytes("sig", signed.signature);
                }
                self.bytes("token", token);
                self.raw("v", value);
                "put"
            }
            Method::SampleInfohashes { target } => {
                self.bytes("id", id);
                self.bytes("target", target.0);
                self.want(want);
                "sample_infohashes"
            }
        };
        self.close();
        self.bytes("q", name);
    }

    fn response(&mut self, response: &Response<'_>) {
        self.key("r");
        self.open();
        if let Some(filter) = response.downloaders {
            self.bytes("BFpe", filter);
        }
        if let Some(filter) = response.seeds {
            self.bytes("BFsd", filter);
        }
        self.bytes("id", response.id.0);
        if let Some(samples) = response.samples {
            self.int("interval", samples.interval_secs.into());
        }
        if let Some(key) = response.key {
            self.bytes("k", key);
        }
        if let Some(nodes) = response.nodes {
            self.bytes("nodes", nodes.as_bytes());
        }
        if let Some(nodes) = response.nodes6 {
            self.bytes("nodes6", nodes.as_bytes());
        }
        if let Some(samples) = response.samples {
            self.int("num", i64::try_from(samples.total).unwrap_or(i64::MAX));
            self.bytes("samples", samples.info_hashes);
        }
        if let Some(seq) = response.seq {
            self.int("seq", seq);
        }
        if let Some(signature) = response.signature {
            self.bytes("sig", signature);
        }
        if let Some(token) = response.token {
            self.bytes("token", token);
        }
        if let Some(value) = response.value {
            self.raw("v", value);
        }
        if !response.peers.is_empty() {
            self.key("values");
            self.0.push(b'l');
            for peer in response.peers.iter() {
                self.endpoint(*peer);
            }
            self.close();
        }
        self.close();
    }

    fn external(&mut self, external: Option<SocketAddr>) {
        if let Some(external) = external {
            self.key("ip");
            self.endpoint(external);
        }
    }

    fn want(&mut self, want: Want) {
        if want.is_empty() {
            return;
        }
        self.key("want");
        self.0.push(b'l');
        if want.v4 {
            self.string("n4");
        }
        if want.v6 {
            self.string("n6");
        }
        self.close();
    }

    fn flag(&mut self, key: &str, is_set: bool) {
        if is_set {
            self.int(key, 1);
        }
    }

    fn bytes(&mut self, key: &str, value: impl AsRef<[u8]>) {
        self.key(key);
        self.string(value);
    }

    fn int(&mut self, key: &str, value: i64) {
        self.key(key);
        self.int_value(value);
    }

    fn raw(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        self.0.extend_from_slice(value);
    }

    fn endpoint(&mut self, addr: SocketAddr) {
        let length = match addr.ip() {
            IpAddr::V4(_) => "6:",
            IpAddr::V6(_) => "18:",
        };
        self.0.extend_from_slice(length.as_bytes());
        bt_types::push_compact(self.0, addr);
    }

    fn key(&mut self, key: &str) {
        self.string(key);
    }

    fn string(&mut self, value: impl AsRef<[u8]>) {
        bt_bencoding::Encoder::new(self.0).bytes(value);
    }

    fn int_value(&mut self, value: i64) {
        bt_bencoding::Encoder::new(self.0).int(value);
    }

    fn open(&mut self) {
        self.0.push(b'd');
    }

    fn close(&mut self) {
        self.0.push(b'e');
    }
}
