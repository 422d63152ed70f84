use std::{
    future::poll_fn,
    io::{self, IoSlice, IoSliceMut},
    task::{Context, Poll, ready},
};

use tokio::net::TcpStream;

/// A stream of bytes to a peer, whatever carries it. One task reads and one writes.
pub(crate) trait Stream: Send + Sync + 'static {
    /// Reads into the given buffers, in order; 0 bytes mean that the peer has ended its side.
    fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Writes from the given buffers, in order, as much as goes at once.
    fn poll_write(&self, cx: &mut Context<'_>, buffers: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;
}

impl Stream for TcpStream {
    fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_read_ready(cx))?;
            match self.try_read_vectored(buffers) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_write(&self, cx: &mut Context<'_>, buffers: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_write_ready(cx))?;
            match self.try_write_vectored(buffers) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }
}

/// Fills `buffer`.
pub(crate) async fn read_exact(stream: &dyn Stream, mut buffer: &mut [u8]) -> io::Result<()> {
    while !buffer.is_empty() {
        let read = poll_fn(|cx| stream.poll_read(cx, &mut [IoSliceMut::new(&mut *buffer)])).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer = &mut buffer[read..];
    }
    Ok(())
}

/// Writes all of `bytes`.
pub(crate) async fn write_all(stream: &dyn Stream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = poll_fn(|cx| stream.poll_write(cx, &[IoSlice::new(bytes)])).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
    }
    Ok(())
}

/// A pipe in memory, for tests.
#[cfg(test)]
pub(crate) mod testing {
    use std::{
        pin::Pin,
        sync::{Mutex, MutexGuard},
    };

    use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

    use super::*;

    /// One end. What is written to it can be read from the other, `capacity` bytes ahead at most.
    pub(crate) struct Pipe(Mutex<DuplexStream>);

    pub(crate) fn pipe(capacity: usize) -> (Pipe, Pipe) {
        let (one, other) = tokio::io::duplex(capacity);
        (Pipe(Mutex::new(one)), Pipe(Mutex::new(other)))
    }

    impl Pipe {
        fn lock(&self) -> MutexGuard<'_, DuplexStream> {
            self.0.lock().expect("no test panics while it holds this")
        }
    }

    impl Stream for Pipe {
        fn poll_read(
            &self,
            cx: &mut Context<'_>,
            buffers: &mut [IoSliceMut<'_>],
        ) -> Poll<io::Result<usize>> {
            let first = buffers.iter_mut().find(|buffer| !buffer.is_empty());
            let mut buffer = ReadBuf::new(first.expect("a read has room"));
            ready!(Pin::new(&mut *self.lock()).poll_read(cx, &mut buffer))?;
            Poll::Ready(Ok(buffer.filled().len()))
        }

        fn poll_write(
            &self,
            cx: &mut Context<'_>,
            buffers: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut *self.lock()).poll_write_vectored(cx, buffers)
        }
    }
}
