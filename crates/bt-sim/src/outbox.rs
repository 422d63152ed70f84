use std::collections::{BTreeMap, VecDeque};

/// What waits for a line, by stream: streams take turns, one item each, as TCP connections share
/// a line evenly.
///
/// ```
/// use bt_sim::Outbox;
///
/// let mut outbox = Outbox::new();
/// for item in ["long", "story", "short"] {
///     outbox.push("a", item);
/// }
/// outbox.push("b", "hello");
/// let order: Vec<_> = std::iter::from_fn(|| outbox.pop()).collect();
/// assert_eq!(order, [("a", "long"), ("b", "hello"), ("a", "story"), ("a", "short")]);
/// ```
#[derive(Clone, Debug)]
pub struct Outbox<K, T> {
    /// Never empty ones.
    queues: BTreeMap<K, VecDeque<T>>,
    /// Each stream that has something, once; the first is next.
    turns: VecDeque<K>,
}

impl<K: Copy + Ord, T> Outbox<K, T> {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            queues: BTreeMap::new(),
            turns: VecDeque::new(),
        }
    }

    /// Puts `item` behind what waits on the same stream.
    pub fn push(&mut self, stream: K, item: T) {
        let queue = self.queues.entry(stream).or_default();
        if queue.is_empty() {
            self.turns.push_back(stream);
        }
        queue.push_back(item);
    }

    /// The next item of the stream whose turn it is.
    pub fn pop(&mut self) -> Option<(K, T)> {
        let stream = self.turns.pop_front()?;
        let queue = self.queues.get_mut(&stream)?;
        let item = queue.pop_front()?;
        if queue.is_empty() {
            self.queues.remove(&stream);
        } else {
            self.turns.push_back(stream);
        }
        Some((stream, item))
    }

    /// Whether something waits on this stream.
    #[must_use]
    pub fn is_waiting(&self, stream: &K) -> bool {
        self.queues.contains_key(stream)
    }

    /// Takes out the first item that `is_it` of those that wait on a stream.
    pub fn take_back(&mut self, stream: &K, is_it: impl FnMut(&T) -> bool) -> Option<T> {
        let queue = self.queues.get_mut(stream)?;
        let item = queue.remove(queue.iter().position(is_it)?);
        if queue.is_empty() {
            self.close(stream);
        }
        item
    }

    /// Throws away what waits on a stream, which is closed.
    pub fn close(&mut self, stream: &K) {
        if self.queues.remove(stream).is_some() {
            self.turns.retain(|waiting| waiting != stream);
        }
    }
}

impl<K: Copy + Ord, T> Default for Outbox<K, T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_back_does_not_come() {
        let mut outbox = Outbox::new();
        for (stream, item) in [(1, 'a'), (2, 'x'), (1, 'b')] {
            outbox.push(stream, item);
        }
        assert_eq!(outbox.take_back(&1, |&item| item == 'b'), Some('b'));
        assert_eq!(outbox.take_back(&1, |&item| item == 'b'), None);
        assert_eq!(outbox.take_back(&2, |&item| item == 'x'), Some('x'));
        assert_eq!(outbox.take_back(&3, |_| true), None);
        let rest: Vec<_> = std::iter::from_fn(|| outbox.pop()).collect();
        assert_eq!(rest, [(1, 'a')]);
    }

    #[test]
    fn a_closed_stream_has_no_turn() {
        let mut outbox = Outbox::new();
        for (stream, item) in [(1, 'a'), (2, 'x'), (1, 'b'), (3, 'y')] {
            outbox.push(stream, item);
        }
        assert_eq!(outbox.pop(), Some((1, 'a')));
        outbox.close(&1);
        outbox.close(&2);
        assert!(!outbox.is_waiting(&1) && outbox.is_waiting(&3));
        outbox.push(1, 'c');
        let rest: Vec<_> = std::iter::from_fn(|| outbox.pop()).collect();
        assert_eq!(rest, [(3, 'y'), (1, 'c')]);
    }
}
