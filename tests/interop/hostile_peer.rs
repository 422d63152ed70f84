//! Peers that nobody would program but to do harm: plain sockets, and bytes written by hand. They
//! wait to be dialled, or dial.

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

/// Somebody who does harm on a thread of its own, until dropped.
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

/// Where connections to the victim can be had, as many as somebody likes.
#[derive(Debug)]
pub(crate) struct Door {
    address: SocketAddrV4,
    world: Arc<World>,
}

#[derive(Debug)]
struct World {
    info_hash: [u8; 20],
    peer_id: [u8; 20],
    harmed: AtomicUsize,
    is_over: AtomicBool,
}

impl HostilePeer {
    /// A listener that does the same harm to everybody who connects.
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
        let world = World::new(torrent, address)?;
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

    /// A stranger who does harm at `victim`'s door, once.
    pub(crate) fn visit(
        case: &Case<'_>,
        torrent: &Torrent,
        victim: SocketAddrV4,
        harm: impl FnOnce(&Door) -> io::Result<()> + Send + 'static,
    ) -> Outcome<Self> {
        let address = case.address()?;
        let door = Door {
            address: victim,
            world: World::new(torrent, address)?,
        };
        let world = Arc::clone(&door.world);
        let thread = thread::spawn(move || {
            // How a connection with such a peer ends is nothing to report.
            let _ = harm(&door);
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

impl World {
    fn new(torrent: &Torrent, address: SocketAddrV4) -> Outcome<Arc<Self>> {
        let name = format!("-XX0000-{:>12}", address.port());
        let mut peer_id = [0; 20];
        peer_id.copy_from_slice(name.as_bytes());
        Ok(Arc::new(Self {
            info_hash: torrent.swarm_id()?,
            peer_id,
            harmed: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        }))
    }
}

impl Door {
    pub(crate) fn connect(&self) -> io::Result<Victim> {
        let stream = TcpStream::connect(self.address)?;
        Victim::new(stream, Arc::clone(&self.world))
    }
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

    /// The other way round, for those who have dialled: returns what the victim calls itself.
    pub(crate) fn introduce_itself(&mut self) -> io::Result<[u8; 20]> {
        self.write(&self.handshake())?;
        let mut answer = [0; 68];
        self.read(&mut answer)?;
        let (_, peer_id) = answer.split_at(48);
        Ok(peer_id.try_into().unwrap_or_default())
    }

    pub(crate) fn handshake(&self) -> Vec<u8> {
        self.handshake_of(self.world.info_hash, self.world.peer_id)
    }

    /// For another torrent.
    pub(crate) fn wrong_handshake(&self) -> Vec<u8> {
        self.handshake_of([0x55; 20], self.world.peer_id)
    }

    /// By another name.
    pub(crate) fn handshake_as(&self, peer_id: [u8; 20]) -> Vec<u8> {
        self.handshake_of(self.world.info_hash, peer_id)
    }

    fn handshake_of(&self, info_hash: [u8; 20], peer_id: [u8; 20]) -> Vec<u8> {
        let reserved = [0, 0, 0, 0, 0, 0x10, 0, 0x04];
        let parts: [&[u8]; 4] = [b"\x13BitTorrent protocol", &reserved, &info_hash, &peer_id];
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

    /// One byte a second. The worst is done with the third.
    pub(crate) fn drip(&mut self, bytes: &[u8]) -> io::Result<()> {
        for (n, &byte) in bytes.iter().enumerate() {
            self.write(&[byte])?;
            if n == 2 {
                self.harmed();
            }
            self.pause(Duration::from_secs(1))?;
        }
        Ok(())
    }

    /// Reads what is there, and throws it away.
    pub(crate) fn read_away(&mut self) -> io::Result<()> {
        self.stream.set_nonblocking(true)?;
        let mut bytes = [0; 64 * 1024];
        let outcome = loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => break Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) => break self.look_up(error),
            }
        };
        self.stream.set_nonblocking(false)?;
        outcome
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

    /// Reads nothing, until the case is over.
    pub(crate) fn wait_for_the_end(&self) -> io::Result<()> {
        loop {
            self.pause(LOOK_UP)?;
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

/// A message of the peer protocol.
pub(crate) fn message(id: u8, body: &[u8]) -> Vec<u8> {
    let length = 1 + body.len() as u32;
    [&length.to_be_bytes()[..], &[id], body].concat()
}

/// Piece, begin, length; or however many numbers there are.
pub(crate) fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
}

/// What the BEPs call the messages.
pub(crate) mod id {
    pub(crate) const CHOKE: u8 = 0;
    pub(crate) const UNCHOKE: u8 = 1;
    pub(crate) const INTERESTED: u8 = 2;
    pub(crate) const NOT_INTERESTED: u8 = 3;
    pub(crate) const HAVE: u8 = 4;
    pub(crate) const BITFIELD: u8 = 5;
    pub(crate) const REQUEST: u8 = 6;
    pub(crate) const PIECE: u8 = 7;
    pub(crate) const CANCEL: u8 = 8;
    pub(crate) const PORT: u8 = 9;
    pub(crate) const SUGGEST: u8 = 13;
    pub(crate) const HAVE_ALL: u8 = 14;
    pub(crate) const HAVE_NONE: u8 = 15;
    pub(crate) const REJECT: u8 = 16;
    pub(crate) const ALLOWED_FAST: u8 = 17;
    pub(crate) const EXTENDED: u8 = 20;
    pub(crate) const HASH_REQUEST: u8 = 21;
    pub(crate) const HASHES: u8 = 22;
    pub(crate) const HASH_REJECT: u8 = 23;
    /// Nobody's.
    pub(crate) const UNKNOWN: u8 = 99;
}

/// How often a thread looks whether the case is over.
const LOOK_UP: Duration = Duration::from_millis(20);
