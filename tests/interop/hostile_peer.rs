//! Peers that nobody would program but to do harm: plain sockets, and bytes written by hand.

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

use crate::{
    foreign::Torrent,
    harness::{Case, Context, Outcome},
};

/// A listener that does the same harm to everybody who connects.
#[derive(Debug)]
pub(crate) struct HostilePeer {
    address: SocketAddrV4,
    world: Arc<World>,
    thread: Option<JoinHandle<()>>,
}

/// One connection of a [`HostilePeer`].
#[derive(Debug)]
pub(crate) struct Victim {
    stream: TcpStream,
    world: Arc<World>,
}

#[derive(Debug)]
struct World {
    info_hash: [u8; 20],
    peer_id: String,
    harmed: AtomicUsize,
    is_over: AtomicBool,
}

impl HostilePeer {
    pub(crate) fn start(
        case: &Case<'_>,
        torrent: &Torrent,
        harm: impl Fn(&mut Victim) -> io::Result<()> + Send + Sync + 'static,
    ) -> Outcome<Self> {
        let address = case.address()?;
        let listener = TcpListener::bind(address).context(format_args!("binding {address}"))?;
        listener
            .set_nonblocking(true)
            .context("making a socket non-blocking")?;
        let world = Arc::new(World {
            info_hash: torrent.swarm_id()?,
            peer_id: format!("-XX0000-{:>12}", address.port()),
            harmed: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        });
        let thread = thread::spawn({
            let world = Arc::clone(&world);
            move || accept(&listener, &world, &harm)
        });
        Ok(Self {
            address,
            world,
            thread: Some(thread),
        })
    }

    pub(crate) fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// How many connections have got as far as [`Victim::harmed`].
    pub(crate) fn harmed(&self) -> usize {
        self.world.harmed.load(Ordering::Relaxed)
    }
}

impl Drop for HostilePeer {
    fn drop(&mut self) {
        self.world.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn accept(
    listener: &TcpListener,
    world: &Arc<World>,
    harm: &(impl Fn(&mut Victim) -> io::Result<()> + Sync),
) {
    thread::scope(|scope| {
        while !world.is_over.load(Ordering::Relaxed) {
            let Ok((stream, _)) = listener.accept() else {
                thread::sleep(LOOK_UP);
                continue;
            };
            let world = Arc::clone(world);
            scope.spawn(move || {
                // How a connection with such a peer ends is nothing to report.
                let _ = Victim::new(stream, world).and_then(|mut victim| harm(&mut victim));
            });
        }
    });
}

impl Victim {
    fn new(stream: TcpStream, world: Arc<World>) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(LOOK_UP))?;
        stream.set_write_timeout(Some(LOOK_UP))?;
        Ok(Self { stream, world })
    }

    /// Takes the victim's handshake and answers as a peer with all extensions would.
    pub(crate) fn shake_hands(&mut self) -> io::Result<()> {
        self.read(&mut [0; 68])?;
        self.write(&self.handshake())
    }

    pub(crate) fn handshake(&self) -> Vec<u8> {
        let reserved = [0, 0, 0, 0, 0, 0x10, 0, 0x04];
        let parts: [&[u8]; 4] = [
            b"\x13BitTorrent protocol",
            &reserved,
            &self.world.info_hash,
            // Everybody is somebody else.
            self.world.peer_id.as_bytes(),
        ];
        parts.concat()
    }

    /// The worst has been done; what follows is more of it.
    pub(crate) fn harmed(&self) {
        self.world.harmed.fetch_add(1, Ordering::Relaxed);
    }

    /// Reads exactly so much, however long that takes.
    pub(crate) fn read(&mut self, mut bytes: &mut [u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.read(bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => bytes = &mut bytes[length..],
                Err(error) => self.look_up(error)?,
            }
        }
        Ok(())
    }

    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(length) => bytes = &bytes[length..],
                Err(error) => self.look_up(error)?,
            }
        }
        Ok(())
    }

    /// Somewhat more slowly than the machine could.
    pub(crate) fn send_zeros(&mut self) -> io::Result<()> {
        self.write(&[0; 64 * 1024])?;
        self.pause(LOOK_UP)
    }

    /// The next message that is longer than its length: its id and the rest.
    pub(crate) fn read_message(&mut self) -> io::Result<(u8, Vec<u8>)> {
        loop {
            let mut length = [0; 4];
            self.read(&mut length)?;
            let mut message = vec![0; u32::from_be_bytes(length) as usize];
            self.read(&mut message)?;
            if let Some((&id, rest)) = message.split_first() {
                return Ok((id, rest.to_vec()));
            }
        }
    }

    /// Reads, and says nothing more, until the victim has had enough or the case is over.
    pub(crate) fn fall_silent(&mut self) -> io::Result<()> {
        loop {
            self.read(&mut [0])?;
        }
    }

    /// Pauses, unless the case is over.
    pub(crate) fn pause(&self, pause: Duration) -> io::Result<()> {
        for _ in 0..pause.as_millis() / LOOK_UP.as_millis() {
            self.look_up(io::ErrorKind::WouldBlock.into())?;
            thread::sleep(LOOK_UP);
        }
        Ok(())
    }

    fn look_up(&self, error: io::Error) -> io::Result<()> {
        match error.kind() {
            _ if self.world.is_over.load(Ordering::Relaxed) => Err(error),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => {
                Ok(())
            }
            _ => Err(error),
        }
    }
}

/// How often a thread looks whether the case is over.
const LOOK_UP: Duration = Duration::from_millis(20);
