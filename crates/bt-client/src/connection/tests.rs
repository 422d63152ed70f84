use std::{
    io::{IoSlice, IoSliceMut},
    task::{Context, Poll},
    time::Duration,
};

use bt_types::{BLOCK_LENGTH, PieceIndex};
use tokio::time::timeout;

use super::{queue::MAX_QUEUED_BYTES, *};
use crate::net::{
    self,
    testing::{Pipe, pipe},
};

const CONN: ConnId = ConnId(7);

struct Fixture {
    connection: Connection,
    peer: Pipe,
    pool: BufferPool,
    batches: mpsc::Receiver<Batch>,
}

fn connect(capacity: usize) -> Fixture {
    let (ours, peer) = pipe(capacity);
    open(Arc::new(ours), peer, true)
}

fn open(stream: Arc<dyn Stream>, peer: Pipe, is_fast: bool) -> Fixture {
    let pool = BufferPool::new(1 << 20);
    let (sender, batches) = mpsc::channel(4);
    let limits = Limits::default();
    Fixture {
        connection: Connection::open(CONN, stream, is_fast, limits, pool.clone(), sender),
        peer,
        pool,
        batches,
    }
}

impl Fixture {
    async fn next(&mut self) -> Vec<Incoming> {
        let batch = timeout(Duration::from_secs(10), self.batches.recv()).await;
        let batch = batch
            .expect("no batch in time")
            .expect("the tasks have ended");
        assert_eq!(batch.conn, CONN);
        batch.incoming
    }
}

fn block(begin: u32) -> Block {
    Block {
        piece: PieceIndex::new(0),
        begin,
        length: BLOCK_LENGTH,
    }
}

#[tokio::test]
async fn what_was_there_at_once_is_one_batch() {
    let mut fixture = connect(1 << 20);
    let asked = RawBlock::from(block(0));
    fixture
        .connection
        .send(Outgoing::Message(Message::Request(asked)))
        .unwrap();
    let mut stream = Vec::new();
    Message::Unchoke.encode(&mut stream);
    stream.extend(bt_wire::encode_piece_header(asked));
    stream.extend([5; BLOCK_LENGTH as usize]);
    Message::Have(3).encode(&mut stream);
    net::write_all(&fixture.peer, &stream).await.unwrap();
    let batch = fixture.next().await;
    assert!(
        matches!(&batch[..], [
            Incoming::Message(Message::Unchoke),
            Incoming::Block(block, payload),
            Incoming::Message(Message::Have(3)),
        ] if *block == asked && payload.as_ref() == [5; BLOCK_LENGTH as usize]),
        "{batch:?}"
    );
}

#[tokio::test]
async fn a_block_is_reported_sent_when_the_network_has_it() {
    let mut fixture = connect(100);
    let payload = fixture.pool.take(BLOCK_LENGTH as usize);
    fixture
        .connection
        .send(Outgoing::Block(block(0), payload))
        .unwrap();
    tokio::task::yield_now().await;
    assert!(
        fixture.batches.try_recv().is_err(),
        "the pipe takes a hundred bytes"
    );
    let mut received = vec![0; 13 + BLOCK_LENGTH as usize];
    net::read_exact(&fixture.peer, &mut received).await.unwrap();
    let batch = fixture.next().await;
    assert!(
        matches!(batch[..], [Incoming::BlockSent(sent)] if sent == block(0)),
        "{batch:?}"
    );
}

/// Whoever has got all it wanted goes at once.
#[tokio::test]
async fn that_it_is_over_is_told_after_what_was_sent() {
    let (stream, peer) = pipe(100);
    drop(peer);
    let (batches, mut received) = mpsc::channel(4);
    let (_failed, failure) = oneshot::channel();
    let reporting = Reporting::default();
    reporting.begin();
    let inbox = Inbox::new(
        Limits::default(),
        BufferPool::new(1 << 20),
        Expected::default(),
    );
    let ending = (failure, reporting.clone());
    let _reader = AbortOnDrop::spawn(reader::run(CONN, Arc::new(stream), inbox, batches, ending));
    for _ in 0..10 {
        tokio::task::yield_now().await;
        assert!(received.try_recv().is_err(), "something is to be reported");
    }
    reporting.end();
    let batch = timeout(Duration::from_secs(10), received.recv()).await;
    let batch = batch.expect("no batch in time").unwrap();
    assert!(matches!(
        batch.incoming[..],
        [Incoming::Closed(Closed::ByPeer)]
    ));
}

/// The peer takes a hundred bytes: those of the first block, of which nothing can be taken back.
#[tokio::test]
async fn a_block_is_taken_back_as_long_as_nothing_of_it_is_written() {
    let mut fixture = connect(100);
    let send = |begin| {
        let payload = fixture.pool.take(BLOCK_LENGTH as usize);
        let outgoing = Outgoing::Block(block(begin), payload);
        fixture.connection.send(outgoing).unwrap();
    };
    [0, BLOCK_LENGTH].into_iter().for_each(&send);
    // The writer has taken both, and waits in the middle of the first.
    tokio::task::yield_now().await;
    send(2 * BLOCK_LENGTH);
    assert!(fixture.connection.take_back(block(2 * BLOCK_LENGTH)));
    assert!(!fixture.connection.take_back(block(BLOCK_LENGTH)));
    assert!(!fixture.connection.take_back(block(0)));
    let mut received = vec![0; 13 + BLOCK_LENGTH as usize];
    net::read_exact(&fixture.peer, &mut received).await.unwrap();
    let mut reported = Vec::new();
    while reported.len() < 2 {
        reported.extend(fixture.next().await);
    }
    assert!(
        matches!(&reported[..], [Incoming::BlockTakenBack(back), Incoming::BlockSent(sent)]
            if *back == block(BLOCK_LENGTH) && *sent == block(0)),
        "{reported:?}"
    );
    let have = Outgoing::Message(Message::Have(3));
    fixture.connection.send(have).unwrap();
    let mut next = [0; 9];
    net::read_exact(&fixture.peer, &mut next).await.unwrap();
    assert_eq!(
        next, *b"\0\0\0\x05\x04\0\0\0\x03",
        "nothing else has come between"
    );
}

#[tokio::test]
async fn a_block_is_reported_sent_while_the_next_waits() {
    let mut fixture = connect(100 + BLOCK_LENGTH as usize);
    for begin in [0, BLOCK_LENGTH] {
        let payload = fixture.pool.take(BLOCK_LENGTH as usize);
        let outgoing = Outgoing::Block(block(begin), payload);
        fixture.connection.send(outgoing).unwrap();
    }
    let batch = fixture.next().await;
    assert!(
        matches!(batch[..], [Incoming::BlockSent(sent)] if sent == block(0)),
        "{batch:?}"
    );
}

/// Ten thousand `have`s, far more than a thousand requests: what a slow leecher lets pile up
/// while a fast download goes on.
#[tokio::test]
async fn a_slow_reader_is_not_given_up_for_many_small_messages() {
    let fixture = connect(100);
    for piece in 0..10_000 {
        let have = Outgoing::Message(Message::Have(piece));
        fixture.connection.send(have).unwrap();
    }
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_given_up_and_takes_no_more_memory() {
    let fixture = connect(100);
    let sent = (0..MAX_QUEUED_BYTES as u32).take_while(|&piece| {
        let have = Outgoing::Message(Message::Have(piece));
        fixture.connection.send(have).is_ok()
    });
    assert_eq!(sent.count(), MAX_QUEUED_BYTES / 9);
}

/// A stream that can be read but not written to.
struct ReadOnly(Pipe);

impl Stream for ReadOnly {
    fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, buffers)
    }

    fn poll_write(&self, _: &mut Context<'_>, _: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }
}

#[tokio::test]
async fn what_a_peer_had_sent_is_read_after_writing_has_failed() {
    let (ours, peer) = pipe(1 << 20);
    let mut fixture = open(Arc::new(ReadOnly(ours)), peer, true);
    let mut stream = Vec::new();
    let haves: Vec<_> = (0..3000).map(Message::Have).collect();
    haves.iter().for_each(|have| have.encode(&mut stream));
    net::write_all(&fixture.peer, &stream).await.unwrap();
    let interested = Outgoing::Message(Message::Interested);
    fixture.connection.send(interested).unwrap();
    let mut received = Vec::new();
    let end = 'read: loop {
        for incoming in fixture.next().await {
            match incoming {
                Incoming::Message(message) => received.push(message),
                Incoming::Closed(end) => break 'read end,
                other => panic!("{other:?}"),
            }
        }
    };
    assert_eq!(received, haves);
    assert!(
        matches!(&end, Closed::Failed(error) if error.kind() == io::ErrorKind::ConnectionReset),
        "{end}"
    );
    let dropped = Outgoing::Message(Message::Interested);
    assert!(fixture.connection.send(dropped).is_ok(), "but never sent");
}

/// Requests that were sent before the torrent learned of the choke are dropped by the peer too.
#[tokio::test]
async fn a_choke_is_followed_when_the_torrent_has_handled_it() {
    for is_fast in [false, true] {
        let (ours, peer) = pipe(1 << 20);
        let mut fixture = open(Arc::new(ours), peer, is_fast);
        let mut stream = Vec::new();
        Message::Choke.encode(&mut stream);
        net::write_all(&fixture.peer, &stream).await.unwrap();
        let batch = fixture.next().await;
        let asked = RawBlock::from(block(0));
        let request = Outgoing::Message(Message::Request(asked));
        fixture.connection.send(request).unwrap();
        let [Incoming::Message(choke)] = &batch[..] else {
            panic!("{batch:?}")
        };
        fixture.connection.note_handled(choke);
        let is_expected = fixture.connection.expected.lock().take(asked);
        assert_eq!(is_expected, is_fast, "BEP 6: each is answered");
    }
}

#[tokio::test]
async fn the_end_is_told_behind_what_came_before() {
    let mut fixture = connect(1000);
    let mut stream = Vec::new();
    Message::Choke.encode(&mut stream);
    net::write_all(&fixture.peer, &stream).await.unwrap();
    drop(fixture.peer);
    fixture.peer = pipe(1).0;
    let batch = fixture.next().await;
    assert!(
        matches!(
            batch[..],
            [
                Incoming::Message(Message::Choke),
                Incoming::Closed(Closed::ByPeer)
            ]
        ),
        "{batch:?}"
    );
}

#[tokio::test]
async fn a_broken_protocol_ends_the_connection() {
    let mut fixture = connect(1000);
    net::write_all(&fixture.peer, &[0xff; 10]).await.unwrap();
    let batch = fixture.next().await;
    assert!(
        matches!(batch[..], [Incoming::Closed(Closed::Protocol(_))]),
        "{batch:?}"
    );
    let Some(Incoming::Closed(closed)) = batch.into_iter().next() else {
        unreachable!("it matched")
    };
    let reason = closed.reason();
    assert!(
        matches!(reason, Some(DisconnectReason::Malformed(_))),
        "{reason:?}"
    );
}

/// What was whole is told; what was not is no message, and no harm.
#[tokio::test]
async fn a_peer_may_leave_after_any_byte() {
    let (session, ends) = session();
    for end in 0..=session.len() {
        let mut fixture = connect(1 << 16);
        let request = Outgoing::Message(Message::Request(short_block()));
        fixture.connection.send(request).unwrap();
        net::write_all(&fixture.peer, &session[..end])
            .await
            .unwrap();
        drop(std::mem::replace(&mut fixture.peer, pipe(1).0));
        let mut told = Vec::new();
        while !matches!(told.last(), Some(Incoming::Closed(_))) {
            told.extend(fixture.next().await);
        }
        let closed = told.pop();
        assert!(
            matches!(closed, Some(Incoming::Closed(Closed::ByPeer))),
            "{closed:?}"
        );
        let whole = ends.iter().filter(|&&told_at| told_at <= end).count();
        assert_eq!(told.len(), whole, "after {end} bytes: {told:?}");
    }
}

/// Not even if a byte of it comes each second, for hours: a swarm that hears of no message takes
/// the peer for silent, and it is.
#[tokio::test(start_paused = true)]
async fn a_part_of_a_message_is_no_sign_of_life() {
    let bodies = [
        (4, 5),
        (5, 200_000),
        (6, 13),
        (7, 9 + BLOCK_LENGTH),
        (20, 60_000),
        (22, 49 + 64),
    ];
    for (id, length) in bodies {
        let mut fixture = connect(1 << 16);
        let length: u32 = length;
        net::write_all(&fixture.peer, &length.to_be_bytes())
            .await
            .unwrap();
        net::write_all(&fixture.peer, &[id]).await.unwrap();
        for _ in 0..(length - 2).min(3 * 3600) {
            net::write_all(&fixture.peer, &[0]).await.unwrap();
            let told = timeout(Duration::from_secs(1), fixture.batches.recv()).await;
            assert!(told.is_err(), "message {id}: {told:?}");
        }
    }
}

/// Nor is more of a message that nobody knows.
#[tokio::test(start_paused = true)]
async fn an_unknown_message_is_told_once_however_slowly_it_comes() {
    let mut fixture = connect(1 << 16);
    net::write_all(&fixture.peer, &[0, 0, 0x80, 0, 99])
        .await
        .unwrap();
    let told = fixture.next().await;
    assert!(
        matches!(
            told[..],
            [Incoming::Message(Message::Unknown { id: 99, .. })]
        ),
        "{told:?}"
    );
    for _ in 0..3600 {
        net::write_all(&fixture.peer, &[0]).await.unwrap();
        let told = timeout(Duration::from_secs(1), fixture.batches.recv()).await;
        assert!(told.is_err(), "{told:?}");
    }
}

/// Messages of all kinds, and after how many bytes each is told: a message that nobody knows when
/// it has begun, a block with its last byte.
fn session() -> (Vec<u8>, Vec<usize>) {
    let mut session = Vec::new();
    let mut ends = Vec::new();
    let blocks = [
        short_block(),
        RawBlock {
            begin: 77,
            ..short_block()
        },
    ];
    let messages = [
        Message::Extended {
            id: 0,
            payload: b"d1:v1:xe"[..].into(),
        },
        Message::Bitfield([0xf0, 0x0f].into()),
        Message::Unchoke,
        Message::Have(7),
        Message::KeepAlive,
        Message::Request(short_block()),
        Message::Port(6881),
        Message::HaveNone,
        Message::Choke,
    ];
    for message in messages {
        message.encode(&mut session);
        ends.push(session.len());
    }
    for block in blocks {
        session.extend(bt_wire::encode_piece_header(block));
        session.resize(session.len() + block.length as usize, 7);
        ends.push(session.len());
    }
    session.extend([0, 0, 0, 20, 99]);
    ends.push(session.len());
    session.resize(session.len() + 19, 0);
    (session, ends)
}

fn short_block() -> RawBlock {
    RawBlock {
        length: 40,
        ..block(0).into()
    }
}

#[tokio::test]
async fn dropping_it_closes_the_connection() {
    let Fixture {
        connection, peer, ..
    } = connect(1000);
    drop(connection);
    let end = timeout(Duration::from_secs(10), net::read_exact(&peer, &mut [0])).await;
    let error = end.expect("still open").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}
