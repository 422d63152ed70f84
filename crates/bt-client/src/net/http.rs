//! HTTP and HTTPS, for trackers and torrents: one bounded request at a time, a connection each.

mod body;
mod error;
mod queue;
mod tls;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bt_tracker::Family;
use bt_tracker_http::{HttpUrl, Route, Scheme};
use http_body_util::Empty;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::{ACCEPT_ENCODING, CONNECTION, HOST, LOCATION, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tracing::debug;

pub use self::error::HttpError;
pub(crate) use self::queue::Line;
use self::{
    queue::{Queue, Turn},
    tls::Tls,
};
use super::{dial::connect, resolve};
use crate::tasks::AbortOnDrop;

/// Asks web servers. Cheap to clone; all clones together ask no more than 50 at a time, and no server
/// for more than 10 things over each family, goodbyes apart; of one that has not answered yet, 2.
#[derive(Clone)]
pub(crate) struct HttpClient(Arc<Inner>);

struct Inner {
    queue: Queue,
    source: Option<IpAddr>,
    tls: Tls,
}

/// What one request may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes of the body, as they come and again when they are unpacked.
    pub(crate) body: usize,
    /// From the first look-up to the last byte, redirects included.
    pub(crate) time: Duration,
}

/// Of a request for its turn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wait {
    Begins,
    Ends,
}

/// What a server answered, redirects followed and gzip unpacked.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
    pub(crate) from: SocketAddr,
}

enum Answer {
    Whole(Reply),
    Elsewhere { from: SocketAddr, location: String },
}

impl HttpClient {
    /// Connects from the local address `source`, if one is given.
    pub(crate) fn new(source: Option<IpAddr>) -> Self {
        Self::with(source, Tls::of_the_system())
    }

    fn with(source: Option<IpAddr>, tls: Tls) -> Self {
        Self(Arc::new(Inner {
            queue: Queue::new(),
            source,
            tls,
        }))
    }

    /// Fetches what the route leads to, over IPv4 or IPv6 alone if so told. Waits for its turn
    /// first, which is not counted.
    pub(crate) async fn get(
        &self,
        route: Route,
        family: Option<Family>,
        bounds: Bounds,
    ) -> Result<Reply, HttpError> {
        self.get_telling(route, family, Line::Ordinary, bounds, |_| ())
            .await
    }

    /// As [`get`](Self::get), and tells of its wait, if there is one.
    pub(crate) async fn get_telling(
        &self,
        route: Route,
        family: Option<Family>,
        line: Line,
        bounds: Bounds,
        tell: impl Fn(Wait),
    ) -> Result<Reply, HttpError> {
        let queue = &self.0.queue;
        let turn = match queue.turn_at_once(route.url(), family, line) {
            Some(turn) => turn,
            None => {
                tell(Wait::Begins);
                let turn = queue.turn(route.url(), family, line).await?;
                tell(Wait::Ends);
                turn
            }
        };
        let reply = self.follow(&turn, route, family, bounds.body);
        let reply = timeout(bounds.time, reply).await;
        let reply = reply.unwrap_or(Err(HttpError::TimedOut(bounds.time)));
        if let Err(error) = &reply
            && error.says_that_it_is_down()
        {
            turn.found_down(error);
        }
        reply
    }

    async fn follow(
        &self,
        turn: &Turn,
        mut route: Route,
        family: Option<Family>,
        max_body: usize,
    ) -> Result<Reply, HttpError> {
        loop {
            let answer = self.ask(&route, family, max_body).await?;
            turn.answered();
            match answer {
                Answer::Whole(reply) => return Ok(reply),
                Answer::Elsewhere { from, location } => {
                    route.follow(from.ip(), &location)?;
                    debug!(url = %route.url(), "redirected");
                }
            }
        }
    }

    /// One hop: asks the first address that lets us connect.
    async fn ask(
        &self,
        route: &Route,
        family: Option<Family>,
        max_body: usize,
    ) -> Result<Answer, HttpError> {
        let mut last = HttpError::NoReachableAddress;
        for address in self.addresses(route, family).await? {
            match timeout(CONNECT_TIMEOUT, connect(address, self.0.source)).await {
                Ok(Ok(stream)) => {
                    return match route.url().scheme() {
                        Scheme::Http => exchange(stream, address, route.url(), max_body).await,
                        Scheme::Https => {
                            let stream = self.0.tls.connect(stream, address, route.url()).await?;
                            exchange(stream, address, route.url(), max_body).await
                        }
                    };
                }
                Ok(Err(source)) => last = HttpError::Connect { address, source },
                Err(_) => {
                    let source = std::io::ErrorKind::TimedOut.into();
                    last = HttpError::Connect { address, source };
                }
            }
        }
        Err(last)
    }

    /// Those of the host that may be asked and can be reached.
    async fn addresses(
        &self,
        route: &Route,
        family: Option<Family>,
    ) -> Result<Vec<SocketAddr>, HttpError> {
        let (host, port) = (route.url().host(), route.url().port());
        let found = resolve(host, port).await;
        let mut addresses = found.map_err(|source| HttpError::LookUp {
            host: host.to_owned(),
            source,
        })?;
        let source = self.0.source;
        addresses.retain(|address| source.is_none_or(|ip| ip.is_ipv4() == address.is_ipv4()));
        if addresses.is_empty() {
            return Err(HttpError::NoReachableAddress);
        }
        if let Some(family) = family {
            addresses.retain(|address| address.is_ipv4() == (family == Family::V4));
            if addresses.is_empty() {
                return Err(HttpError::NoAddressOf(family));
            }
        }
        let mut forbidden = None;
        addresses.retain(|address| match route.check(address.ip()) {
            Ok(()) => true,
            Err(reason) => {
                forbidden = Some(reason);
                false
            }
        });
        match forbidden {
            Some(reason) if addresses.is_empty() => Err(HttpError::Forbidden(reason)),
            _ => Ok(addresses),
        }
    }
}

async fn exchange<S>(
    stream: S,
    from: SocketAddr,
    url: &HttpUrl,
    max_body: usize,
) -> Result<Answer, HttpError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let failed = |source| HttpError::Exchange { from, source };
    let request = Request::get(url.target())
        .header(HOST, url.authority())
        .header(USER_AGENT, AGENT)
        .header(ACCEPT_ENCODING, "gzip")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| HttpError::Unaskable)?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    // It carries the bytes while the other half waits for them.
    let _connection = AbortOnDrop::spawn(async move {
        if let Err(error) = connection.await {
            debug!(%from, %error, "http");
        }
    });
    let response = sender.send_request(request).await.map_err(failed)?;
    if let Some(location) = location(&response) {
        return Ok(Answer::Elsewhere { from, location });
    }
    let status = response.status();
    let body = body::read(response, from, max_body).await?;
    Ok(Answer::Whole(Reply { status, body, from }))
}

fn location(response: &Response<Incoming>) -> Option<String> {
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get(LOCATION).filter(|_| is_redirect)?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

/// Then the next address has its turn.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);
/// Of status line and headers together.
const MAX_HEAD: usize = 64 * 1024;
const AGENT: &str = concat!("bt/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests;
