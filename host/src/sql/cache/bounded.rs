//! Owns a map that forgets what was not asked for longest, bounded by count and by bytes.

use std::fmt;

use lru::LruCache;

/// The map.
pub(super) struct Bounded<V> {
    kept: LruCache<Box<[u8]>, (V, usize)>,
    most: usize,
    most_bytes: usize,
    bytes: usize,
}

impl<V> fmt::Debug for Bounded<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounded").field("kept", &self.kept.len()).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl<V: Clone> Bounded<V> {
    pub(super) fn new(most: usize, most_bytes: usize) -> Self {
        Self { kept: LruCache::unbounded(), most, most_bytes, bytes: 0 }
    }

    pub(super) fn get(&mut self, key: &[u8]) -> Option<V> {
        self.kept.get(key).map(|(value, _)| value.clone())
    }

    /// Keeps a value that takes so many bytes; one that would take more than a sixteenth of all is not kept.
    pub(super) fn put(&mut self, key: Box<[u8]>, value: V, bytes: usize) {
        if self.most == 0 || bytes > self.most_bytes / 16 {
            return;
        }
        if let Some((_, before)) = self.kept.put(key, (value, bytes)) {
            self.bytes -= before;
        }
        self.bytes += bytes;
        while self.kept.len() > self.most || self.bytes > self.most_bytes {
            let Some((_, (_, freed))) = self.kept.pop_lru() else { break };
            self.bytes -= freed;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Box<[u8]> {
        text.as_bytes().into()
    }

    #[test]
    fn what_was_not_asked_for_longest_goes_first() {
        let mut kept = Bounded::new(2, 1 << 20);
        kept.put(key("a"), 1, 10);
        kept.put(key("b"), 2, 10);
        assert_eq!(kept.get(b"a"), Some(1));
        kept.put(key("c"), 3, 10);
        assert_eq!((kept.get(b"a"), kept.get(b"b"), kept.get(b"c")), (Some(1), None, Some(3)));
    }

    #[test]
    fn bytes_are_bounded_and_given_back() {
        let mut kept = Bounded::new(1000, 1600);
        for nth in 0..100 {
            kept.put(key(&nth.to_string()), nth, 100);
            assert!(kept.bytes <= 1600 && kept.len() <= 16);
        }
        kept.put(key("99"), 7, 20);
        assert_eq!((kept.len(), kept.bytes), (16, 15 * 100 + 20));
        kept.put(key("too much"), 1, 101);
        assert_eq!(kept.get(b"too much"), None);
    }

    #[test]
    fn nothing_is_kept_where_nothing_may_be() {
        let mut kept = Bounded::new(0, 1600);
        kept.put(key("a"), 1, 1);
        assert_eq!(kept.get(b"a"), None);
    }
}
