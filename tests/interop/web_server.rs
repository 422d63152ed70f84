//! A web server that answers whatever a case likes: trackers and torrents over HTTP.

use std::{
    io::{self, Read, Write},
    net::{SocketAddrV4, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};

use crate::harness::{Case, Context, Outcome};

/// Answers each request, one after the other on threads of their own, as `answer` does.
#[derive(Debug)]
pub(crate) struct WebServer {
    address: SocketAddrV4,
    asked: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl WebServer {
    /// `answer` gets the target of the request line and the connection; when it returns, the
    /// connection ends.
    pub(crate) fn start(
        case: &Case<'_>,
        answer: impl Fn(&str, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Outcome<Self> {
        Self::start_at(case.address()?, answer)
    }

    /// The same at an address of the case's choice: of a network of its own.
    pub(crate) fn start_at(
        address: SocketAddrV4,
        answer: impl Fn(&str, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Outcome<Self> {
        let listener = TcpListener::bind(address).context(format_args!("binding {address}"))?;
        listener
            .set_nonblocking(true)
            .context("making a socket non-blocking")?;
        let (asked, is_over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let thread = thread::spawn({
            let (asked, is_over) = (Arc::clone(&asked), Arc::clone(&is_over));
            move || listen(&listener, &asked, &is_over, &Arc::new(answer))
        });
        Ok(Self {
            address,
            asked,
            is_over,
            thread: Some(thread),
        })
    }

    pub(crate) fn address(&self) -> SocketAddrV4 {
        self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many requests came.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A whole answer, with headers that end in line ends.
pub(crate) fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

pub(crate) fn redirect(location: &str) -> Vec<u8> {
    response("302 Found", &format!("Location: {location}\r\n"), b"")
}

/// So many zeros, packed a thousandfold.
pub(crate) fn bomb(length: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..length >> 20 {
        // Writing to memory does not fail.
        let _ = encoder.write_all(&zeros);
    }
    let packed = encoder.finish().unwrap_or_default();
    response("200 OK", "Content-Encoding: gzip\r\n", &packed)
}

fn listen<A>(
    listener: &TcpListener,
    asked: &Arc<AtomicUsize>,
    is_over: &AtomicBool,
    answer: &Arc<A>,
) where
    A: Fn(&str, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
{
    while !is_over.load(Ordering::Relaxed) {
        let Ok((stream, _)) = listener.accept() else {
            thread::sleep(LOOK_UP);
            continue;
        };
        let (asked, answer) = (Arc::clone(asked), Arc::clone(answer));
        // It ends when the client goes, or the answer does.
        thread::spawn(move || {
            // Who has gone since needs no answer.
            let _ = serve(stream, &asked, &*answer);
        });
    }
}

fn serve(
    mut stream: TcpStream,
    asked: &AtomicUsize,
    answer: &impl Fn(&str, &mut TcpStream) -> io::Result<()>,
) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    asked.fetch_add(1, Ordering::Relaxed);
    let head = String::from_utf8_lossy(&head);
    let target = head.split(' ').nth(1).unwrap_or_default();
    answer(target, &mut stream)
}

/// How often the thread looks up from its socket.
const LOOK_UP: Duration = Duration::from_millis(20);
/// Nobody keeps a connection open longer without a word.
const PATIENCE: Duration = Duration::from_secs(60);
