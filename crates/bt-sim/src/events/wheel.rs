use super::{Entry, SLOTS};

/// What is due in the slots that follow the current one, in no order.
///
/// Events lie in buffers of [`BUFFER`], which go from slots that are over to those that need one:
/// so it takes as much memory as there are events at once, however they come and go, and what is
/// due together lies together.
pub(super) struct Wheel<E> {
    /// Slot `n` at `n % SLOTS`; all buffers of a slot but the last are full.
    slots: Vec<Vec<Buffer<E>>>,
    /// Empty ones.
    spare: Vec<Buffer<E>>,
    len: usize,
}

type Buffer<E> = Vec<Entry<E>>;

impl<E> Wheel<E> {
    pub(super) fn new() -> Self {
        Self {
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            spare: Vec::new(),
            len: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds what is due less than [`SLOTS`] after the slot taken last.
    pub(super) fn push(&mut self, entry: Entry<E>) {
        self.len += 1;
        let slot = &mut self.slots[(entry.slot() % SLOTS) as usize];
        match slot.last_mut() {
            Some(buffer) if buffer.len() < BUFFER => buffer.push(entry),
            _ => {
                let spare = self.spare.pop();
                let mut buffer = spare.unwrap_or_else(|| Vec::with_capacity(BUFFER));
                buffer.push(entry);
                slot.push(buffer);
            }
        }
    }

    /// Gives out all that is due in a slot, which must be the next that has anything.
    pub(super) fn take(&mut self, slot: u64, mut each: impl FnMut(Entry<E>)) {
        for mut buffer in std::mem::take(&mut self.slots[(slot % SLOTS) as usize]) {
            self.len -= buffer.len();
            buffer.drain(..).for_each(&mut each);
            self.spare.push(buffer);
        }
    }
}

/// Two kilobytes or so.
const BUFFER: usize = 32;
