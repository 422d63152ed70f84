use std::time::Duration;

use bt_types::{BLOCK_LENGTH, PieceIndex};
use tokio::time::timeout;

use super::*;
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
    let pool = BufferPool::new(1 << 20);
    let (sender, batches) = mpsc::channel(4);
    Fixture {
        connection: Connection::open(CONN, Arc::new(ours), true, pool.clone(), sender),
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

#[tokio::test]
async fn a_peer_that_does_not_read_is_given_up_and_takes_no_more_memory() {
    let fixture = connect(100);
    let sent = (0..3 * MAX_QUEUED as u32).map(|piece| {
        let have = Outgoing::Message(Message::Have(piece));
        fixture.connection.send(have).is_ok()
    });
    assert_eq!(sent.filter(|&is_ok| is_ok).count(), MAX_QUEUED);
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
