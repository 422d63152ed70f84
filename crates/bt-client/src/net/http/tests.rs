use std::{
    io::Write,
    net::Ipv4Addr,
    sync::atomic::{AtomicUsize, Ordering},
};

use bt_tracker_http::{Forbidden, MAX_REDIRECTS, Origin, RedirectError};
use flate2::{Compression, write::GzEncoder};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::*;

const BOUNDS: Bounds = Bounds {
    body: 10_000,
    time: Duration::from_secs(20),
};

/// Answers every request by what `answer` makes of its head, and then keeps what is open open if
/// there is nothing more to say.
struct Server {
    address: SocketAddr,
    _task: AbortOnDrop,
}

impl Server {
    async fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(answer);
        let task = AbortOnDrop::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answer)));
            }
        });
        Self {
            address,
            _task: task,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    answer: Arc<impl Fn(&str) -> Vec<u8>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let answer = answer(&String::from_utf8(head).unwrap());
    let _ = stream.write_all(&answer).await;
    let _ = stream.shutdown().await;
}

fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn redirect(location: &str) -> Vec<u8> {
    response("302 Found", &format!("location: {location}\r\n"), b"")
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn route(origin: Origin, url: &str) -> Route {
    let url: HttpUrl = url.parse().unwrap();
    Route::new(origin, &url, url.clone())
}

async fn get(url: &str) -> Result<Reply, HttpError> {
    HttpClient::new(None)
        .get(route(Origin::User, url), None, BOUNDS)
        .await
}

#[tokio::test]
async fn a_request_is_one_that_every_server_takes() {
    let server = Server::start(|head| response("200 OK", "", head.as_bytes())).await;
    let reply = get(&server.url("/announce?a=b%00")).await.unwrap();
    let head = String::from_utf8(reply.body).unwrap();
    assert!(
        head.starts_with("GET /announce?a=b%00 HTTP/1.1\r\n"),
        "{head}"
    );
    for header in [
        &format!("host: {}", server.address),
        "user-agent: bt/",
        "accept-encoding: gzip",
        "connection: close",
    ] {
        assert!(head.contains(header), "{head}");
    }
    assert_eq!((reply.status.as_u16(), reply.from), (200, server.address));
}

#[tokio::test]
async fn bodies_of_every_form_are_read() {
    let server = Server::start(|head| match head.split(' ').nth(1).unwrap() {
        "/close" => b"HTTP/1.0 200 OK\r\n\r\nhello".to_vec(),
        "/chunked" => {
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
                .to_vec()
        }
        "/gzip" => response("200 OK", "content-encoding: gzip\r\n", &gzip(b"hello")),
        _ => response("400 Bad Request", "", b"hello"),
    })
    .await;
    for path in ["/close", "/chunked", "/gzip", "/400"] {
        let reply = get(&server.url(path)).await.unwrap();
        assert_eq!(reply.body, b"hello", "{path}");
        assert_eq!(reply.status.is_success(), path != "/400");
    }
}

#[tokio::test]
async fn a_gzip_bomb_goes_off_within_bounds() {
    let bomb = gzip(&vec![0; 8_000_000]);
    assert!(bomb.len() < BOUNDS.body);
    let bombs = Server::start(move |_| response("200 OK", "content-encoding: gzip\r\n", &bomb));
    let error = get(&bombs.await.url("/announce")).await.unwrap_err();
    assert!(
        matches!(error, HttpError::TooLong { max: 10_000, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_not_packed_as_it_says_is_refused() {
    let server = Server::start(|head| match head.split(' ').nth(1).unwrap() {
        "/cut" => response(
            "200 OK",
            "content-encoding: gzip\r\n",
            &gzip(&[7; 5000])[..20],
        ),
        "/plain" => response("200 OK", "content-encoding: gzip\r\n", b"hello"),
        _ => response("200 OK", "content-encoding: br\r\n", b"hello"),
    })
    .await;
    for path in ["/cut", "/plain", "/br"] {
        let error = get(&server.url(path)).await.unwrap_err();
        assert!(
            matches!(error, HttpError::Encoding { .. }),
            "{path}: {error}"
        );
    }
}

#[tokio::test]
async fn endless_and_long_bodies_are_cut_off() {
    let server = Server::start(|head| match head.split(' ').nth(1).unwrap() {
        "/claims" => b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_vec(),
        "/long" => [b"HTTP/1.0 200 OK\r\n\r\n".as_slice(), &[b'x'; 100_000]].concat(),
        _ => {
            let chunk = [b"1000\r\n".as_slice(), &[b'x'; 0x1000], b"\r\n"].concat();
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            [head.as_slice(), &chunk.repeat(100)].concat()
        }
    })
    .await;
    for path in ["/claims", "/long", "/chunked"] {
        let error = get(&server.url(path)).await.unwrap_err();
        assert!(
            matches!(error, HttpError::TooLong { .. }),
            "{path}: {error}"
        );
    }
}

/// Each byte comes soon after the one before it, and the last never.
#[tokio::test]
async fn a_server_that_drips_for_ever_is_given_up() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/announce", listener.local_addr().unwrap());
    let drip = AbortOnDrop::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head).await.unwrap();
        while stream.write_all(b"1\r\nx\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let client = HttpClient::new(None);
    let bounds = Bounds {
        body: usize::MAX,
        time: Duration::from_millis(200),
    };
    let asked = client.get(route(Origin::User, &url), None, bounds).await;
    let error = asked.unwrap_err();
    assert!(matches!(error, HttpError::TimedOut(time) if time == bounds.time));
    drop(drip);
}

#[tokio::test]
async fn what_is_no_http_is_named() {
    let server = Server::start(|head| match head.split(' ').nth(1).unwrap() {
        "/nothing" => vec![],
        "/ssh" => b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
        "/cut" => b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello".to_vec(),
        _ => {
            let header = format!("x: {}\r\n", "y".repeat(100)).repeat(10_000);
            format!("HTTP/1.1 200 OK\r\n{header}\r\n").into_bytes()
        }
    })
    .await;
    for path in ["/nothing", "/ssh", "/cut", "/headers"] {
        let error = get(&server.url(path)).await.unwrap_err();
        assert!(
            matches!(error, HttpError::Exchange { .. }),
            "{path}: {error}"
        );
    }
}

#[tokio::test]
async fn redirects_are_followed_but_not_for_ever() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let server = Server::start(move |head| {
        count.fetch_add(1, Ordering::Relaxed);
        match head.split(' ').nth(1).unwrap() {
            "/one" => redirect("two?x"),
            "/two?x" => redirect("/three"),
            "/three" => response("200 OK", "", b"hello"),
            "/file" => redirect("file:///etc/passwd"),
            _ => redirect("/loop"),
        }
    })
    .await;
    assert_eq!(get(&server.url("/one")).await.unwrap().body, b"hello");
    let file = get(&server.url("/file")).await.unwrap_err();
    let refused = |error: &HttpError| match error {
        HttpError::Redirect(error) => error.clone(),
        other => panic!("{other}"),
    };
    assert!(matches!(refused(&file), RedirectError::Url(_)));
    asked.store(0, Ordering::Relaxed);
    let ever = get(&server.url("/loop")).await.unwrap_err();
    assert_eq!(refused(&ever), RedirectError::TooMany);
    assert_eq!(asked.load(Ordering::Relaxed), MAX_REDIRECTS + 1);
}

#[tokio::test]
async fn a_torrent_asks_this_machine_for_announces_only() {
    let server = Server::start(|_| response("200 OK", "", b"hello")).await;
    let client = HttpClient::new(None);
    let get = async |path: &str| {
        let route = route(Origin::Torrent, &server.url(path));
        client.get(route, None, BOUNDS).await
    };
    assert!(get("/announce").await.is_ok());
    for path in ["/", "/reboot", "/announce?cmd=reboot"] {
        let error = get(path).await.unwrap_err();
        let forbidden = matches!(error, HttpError::Forbidden(Forbidden::LocalPath(_)));
        assert!(forbidden, "{path}: {error}");
    }
}

#[tokio::test]
async fn families_and_local_addresses_are_kept_apart() {
    let server = Server::start(|_| response("200 OK", "", b"hello")).await;
    let url = server.url("/announce");
    let client = HttpClient::new(None);
    let get = async |client: &HttpClient, family| {
        client.get(route(Origin::User, &url), family, BOUNDS).await
    };
    assert!(get(&client, Some(Family::V4)).await.is_ok());
    let other = get(&client, Some(Family::V6)).await.unwrap_err();
    assert!(
        matches!(other, HttpError::NoAddressOf(Family::V6)),
        "{other}"
    );
    let bound = HttpClient::new(Some(std::net::Ipv6Addr::LOCALHOST.into()));
    let other = get(&bound, None).await.unwrap_err();
    assert!(matches!(other, HttpError::NoReachableAddress), "{other}");
}

#[tokio::test]
async fn nobody_there_is_named() {
    // Held but not listened at, so that nobody else takes the port.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    let error = get(&format!("http://{address}/")).await.unwrap_err();
    assert!(matches!(error, HttpError::Connect { .. }), "{error}");
}

#[tokio::test]
async fn nobody_is_asked_out_of_turn() {
    let client = HttpClient::new(None);
    let server = Server::start(|_| response("200 OK", "", b"hello")).await;
    let route = route(Origin::User, &server.url("/"));
    let url = route.url().clone();
    let queue = &client.0.queue;
    let all: Vec<_> =
        std::iter::from_fn(|| queue.turn_at_once(&url, None, Line::Ordinary)).collect();
    let told = std::cell::RefCell::new(Vec::new());
    let tell = |wait| told.borrow_mut().push(wait);
    let mut waiting = Box::pin(client.get_telling(route, None, Line::Ordinary, BOUNDS, tell));
    let early = timeout(Duration::from_millis(20), &mut waiting).await;
    assert!(early.is_err(), "it is not its turn");
    assert_eq!(*told.borrow(), [Wait::Begins]);
    drop(all);
    assert!(waiting.await.is_ok());
    assert_eq!(*told.borrow(), [Wait::Begins, Wait::Ends]);
}

#[tokio::test]
async fn who_waits_for_a_server_that_is_down_does_not_ask_it() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let url = format!("http://{}/", socket.local_addr().unwrap());
    let client = HttpClient::new(None);
    let route = || route(Origin::User, &url);
    let queue = &client.0.queue;
    let mut turns: Vec<_> =
        std::iter::from_fn(|| queue.turn_at_once(route().url(), None, Line::Ordinary)).collect();
    let get = || client.get(route(), None, BOUNDS);
    let (first, second, _) = tokio::join!(biased; get(), get(), async { drop(turns.pop()) });
    assert!(matches!(first, Err(HttpError::Connect { .. })));
    let Err(HttpError::FoundDown(reason)) = second else {
        panic!("it has got a turn");
    };
    assert!(reason.contains("cannot connect: "), "{reason}");
}

/// Shows one certificate, whether it has the key to it or not.
#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// See `testdata/README.md`.
async fn tls_server(certificate: &str) -> (SocketAddr, AbortOnDrop) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata");
    let certificate = CertificateDer::from_pem_file(format!("{folder}/{certificate}")).unwrap();
    let key = PrivateKeyDer::from_pem_file(format!("{folder}/server.key")).unwrap();
    let key = ring::sign::any_supported_type(&key).unwrap();
    let shown = Shown(Arc::new(CertifiedKey::new(vec![certificate], key)));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shown));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = AbortOnDrop::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                let answer = |head: &str| match head.split(' ').nth(1) {
                    Some("/back") => redirect("http://127.0.0.1:1/"),
                    _ => response("200 OK", "", b"secret"),
                };
                serve(stream, Arc::new(answer)).await;
            }
        }
    });
    (address, task)
}

fn trusting(certificate: Option<&str>) -> HttpClient {
    let mut roots = RootCertStore::empty();
    if let Some(name) = certificate {
        let path = format!("{}/testdata/{name}", env!("CARGO_MANIFEST_DIR"));
        roots
            .add(CertificateDer::from_pem_file(path).unwrap())
            .unwrap();
    }
    HttpClient::with(None, Tls::trusting(roots, ring::default_provider()))
}

#[tokio::test]
async fn https_is_spoken_with_whom_the_system_trusts() {
    let (address, _server) = tls_server("server.pem").await;
    let url = |host: &str, path: &str| format!("https://{host}:{}{path}", address.port());
    let get = async |client: &HttpClient, url: &str| {
        client.get(route(Origin::User, url), None, BOUNDS).await
    };
    let trusting_it = trusting(Some("ca.pem"));
    let reply = get(&trusting_it, &url("127.0.0.1", "/")).await.unwrap();
    assert_eq!(reply.body, b"secret");
    let back = get(&trusting_it, &url("127.0.0.1", "/back"))
        .await
        .unwrap_err();
    let is_downgrade = matches!(back, HttpError::Redirect(RedirectError::Downgrade));
    assert!(is_downgrade, "{back}");
    // Another name than the certificate has, and a certificate of nobody whom we trust.
    let other_name = get(&trusting_it, &url("127.0.0.2", "/")).await.unwrap_err();
    assert!(
        matches!(
            other_name,
            HttpError::Tls { .. } | HttpError::Connect { .. }
        ),
        "{other_name}"
    );
    let stranger = get(&trusting(None), &url("127.0.0.1", "/"))
        .await
        .unwrap_err();
    let is_stranger = matches!(stranger, HttpError::NotTrusted { from } if from == address);
    assert!(is_stranger, "{stranger}");
    // One that speaks no TLS.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let no_tls = format!("https://{}/", listener.local_addr().unwrap());
    let _plain = AbortOnDrop::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read(&mut [0; 1000]).await;
    });
    let no_tls = get(&trusting_it, &no_tls).await.unwrap_err();
    assert!(matches!(no_tls, HttpError::Tls { .. }), "{no_tls}");
}

#[tokio::test]
async fn a_server_that_shows_an_authoritys_certificate_is_told_from_a_stranger() {
    let (address, _server) = tls_server("ca.pem").await;
    let client = trusting(Some("ca.pem"));
    let route = route(Origin::User, &format!("https://{address}/"));
    let refused = client.get(route, None, BOUNDS).await.unwrap_err();
    assert!(
        matches!(refused, HttpError::OfAnAuthority { from } if from == address),
        "{refused}"
    );
}
