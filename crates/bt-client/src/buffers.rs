use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use bt_types::{BLOCK_LENGTH, Payload};

/// Hands out the buffers in which blocks travel between sockets and disk, and takes them back, so
/// that a download allocates its working set once. Cheap to clone.
#[derive(Clone)]
pub(crate) struct BufferPool(Arc<Shared>);

struct Shared {
    free: Mutex<Vec<Box<[u8]>>>,
    max_free: usize,
}

/// The bytes of one block. Moved and never copied; its memory returns to the pool on drop.
pub(crate) struct Buffer {
    /// As long as a block or longer; empty only while being dropped.
    bytes: Box<[u8]>,
    /// How many of them are the block's.
    len: usize,
    pool: Arc<Shared>,
}

impl BufferPool {
    /// A pool that keeps at most `max_free_bytes` of memory that nobody uses.
    pub(crate) fn new(max_free_bytes: u64) -> Self {
        let max_free = max_free_bytes / u64::from(BLOCK_LENGTH);
        Self(Arc::new(Shared {
            free: Mutex::default(),
            max_free: usize::try_from(max_free).unwrap_or(usize::MAX),
        }))
    }

    /// A buffer of `len` bytes of any content. Those longer than a block are not pooled: no peer
    /// that we know asks for them.
    pub(crate) fn take(&self, len: usize) -> Buffer {
        let bytes = if len <= POOLED_LENGTH {
            let pooled = self.0.lock().pop();
            pooled.unwrap_or_else(|| vec![0; POOLED_LENGTH].into())
        } else {
            vec![0; len].into()
        };
        Buffer {
            bytes,
            len,
            pool: Arc::clone(&self.0),
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Box<[u8]>>> {
        // A list of free buffers is whole at every point where a thread can panic.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl AsMut<[u8]> for Buffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }
}

impl Payload for Buffer {
    fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if bytes.len() == POOLED_LENGTH {
            let mut free = self.pool.lock();
            if free.len() < self.pool.max_free {
                free.push(bytes);
            }
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.len)
    }
}

const POOLED_LENGTH: usize = BLOCK_LENGTH as usize;

#[cfg(test)]
mod tests {
    use super::*;

    fn free(pool: &BufferPool) -> usize {
        pool.0.lock().len()
    }

    #[test]
    fn memory_comes_back_and_is_used_again() {
        let pool = BufferPool::new(4 * u64::from(BLOCK_LENGTH));
        let mut buffer = pool.take(100);
        buffer.as_mut().fill(7);
        assert_eq!(
            (buffer.as_ref(), Payload::len(&buffer)),
            (&[7; 100][..], 100)
        );
        drop(buffer);
        assert_eq!(free(&pool), 1);
        assert_eq!(pool.take(POOLED_LENGTH).as_ref().len(), POOLED_LENGTH);
        assert_eq!(free(&pool), 1);
    }

    #[test]
    fn only_so_much_is_kept() {
        let pool = BufferPool::new(2 * u64::from(BLOCK_LENGTH));
        let buffers: Vec<_> = (0..5).map(|_| pool.take(POOLED_LENGTH)).collect();
        drop(buffers);
        assert_eq!(free(&pool), 2);
    }

    #[test]
    fn long_blocks_are_served_but_not_kept() {
        let pool = BufferPool::new(2 * u64::from(BLOCK_LENGTH));
        assert_eq!(
            pool.take(3 * POOLED_LENGTH).as_ref().len(),
            3 * POOLED_LENGTH
        );
        assert_eq!(free(&pool), 0);
    }
}
