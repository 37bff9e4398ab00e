//! The store that all instances of a plugin share: get, set with a time to live, atomic add. Bounded in bytes. It belongs
//! to the plugin's name, so it outlives versions.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The longest key, in bytes.
const MAX_KEY: usize = 256;
/// The longest value, in bytes.
const MAX_VALUE: usize = 64 * 1024;
/// What an entry costs beside its key and value: the map's own share, about.
const ENTRY_COST: usize = 64;

/// Why a write was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateError {
    /// The key or the value is over the limit.
    TooLarge,
    /// The plugin's share is used up.
    Full,
    /// `add` met a value that `add` did not write.
    NotANumber,
}

#[derive(Debug)]
struct Entry {
    value: Value,
    expires: Option<Instant>,
}

#[derive(Debug)]
enum Value {
    Bytes(Vec<u8>),
    Number(i64),
}

impl Value {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Number(number) => number.to_le_bytes().to_vec(),
        }
    }

    fn cost(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Number(_) => size_of::<i64>(),
        }
    }
}

#[derive(Debug, Default)]
struct Entries {
    entries: HashMap<String, Entry>,
    used: usize,
}

/// The store of one plugin.
#[derive(Debug)]
pub struct SharedState {
    limit: usize,
    inner: Mutex<Entries>,
}

impl SharedState {
    /// An empty store for so many bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, inner: Mutex::default() }
    }

    /// The bytes in use.
    pub fn used(&self) -> usize {
        self.entries().used
    }

    /// The value under a key, as bytes.
    pub fn get(&self, key: &str, now: Instant) -> Option<Vec<u8>> {
        self.entries().live(key, now).map(|entry| entry.value.bytes())
    }

    /// Writes a value.
    pub fn set(&self, key: &str, value: Vec<u8>, ttl: Option<Duration>, now: Instant) -> Result<(), StateError> {
        let expires = ttl.and_then(|ttl| now.checked_add(ttl));
        self.entries().put(key, Entry { value: Value::Bytes(value), expires }, self.limit, now)
    }

    /// Adds to a number and returns the sum, which stops at the ends of its range.
    pub fn add(&self, key: &str, delta: i64, ttl: Option<Duration>, now: Instant) -> Result<i64, StateError> {
        let mut entries = self.entries();
        let (before, expires) = match entries.live(key, now) {
            None => (0, None),
            Some(Entry { value: Value::Number(number), expires }) => (*number, *expires),
            Some(_) => return Err(StateError::NotANumber),
        };
        let sum = before.saturating_add(delta);
        let expires = ttl.map_or(expires, |ttl| now.checked_add(ttl));
        entries.put(key, Entry { value: Value::Number(sum), expires }, self.limit, now)?;
        Ok(sum)
    }

    /// A poisoned lock is taken all the same: every operation leaves the entries whole.
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn live(&mut self, key: &str, now: Instant) -> Option<&Entry> {
        if self.entries.get(key)?.expires.is_some_and(|expires| expires <= now) {
            self.remove(key);
        }
        self.entries.get(key)
    }

    fn put(&mut self, key: &str, entry: Entry, limit: usize, now: Instant) -> Result<(), StateError> {
        if key.len() > MAX_KEY || entry.value.cost() > MAX_VALUE {
            return Err(StateError::TooLarge);
        }
        let cost = ENTRY_COST + key.len() + entry.value.cost();
        let freed = self.entries.get(key).map_or(0, |old| ENTRY_COST + key.len() + old.value.cost());
        if self.used - freed + cost > limit {
            self.expire(now);
            let freed = self.entries.get(key).map_or(0, |old| ENTRY_COST + key.len() + old.value.cost());
            if self.used - freed + cost > limit {
                return Err(StateError::Full);
            }
        }
        self.remove(key);
        self.used += cost;
        self.entries.insert(key.to_owned(), entry);
        Ok(())
    }

    fn expire(&mut self, now: Instant) {
        self.entries.retain(|_, entry| entry.expires.is_none_or(|expires| expires > now));
        self.used = self.entries.iter().map(|(key, entry)| ENTRY_COST + key.len() + entry.value.cost()).sum();
    }

    fn remove(&mut self, key: &str) {
        if let Some(old) = self.entries.remove(key) {
            self.used -= ENTRY_COST + key.len() + old.value.cost();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_when_their_time_is_over() {
        let state = SharedState::new(1_000);
        let now = Instant::now();
        state.set("k", b"v".to_vec(), Some(Duration::from_secs(1)), now).unwrap();
        assert_eq!(state.get("k", now), Some(b"v".to_vec()));
        assert_eq!(state.get("k", now + Duration::from_secs(1)), None);
        assert_eq!(state.used(), 0);
    }

    #[test]
    fn sums_stop_at_the_ends_and_keep_their_limit() {
        let state = SharedState::new(1_000);
        let now = Instant::now();
        assert_eq!(state.add("n", i64::MAX, Some(Duration::from_secs(1)), now), Ok(i64::MAX));
        assert_eq!(state.add("n", 1, None, now), Ok(i64::MAX));
        assert_eq!(state.get("n", now), Some(i64::MAX.to_le_bytes().to_vec()));
        assert_eq!(state.add("n", 1, None, now + Duration::from_secs(1)), Ok(1));
    }

    #[test]
    fn a_value_that_add_did_not_write_is_no_number() {
        let state = SharedState::new(1_000);
        state.set("k", vec![0; 8], None, Instant::now()).unwrap();
        assert_eq!(state.add("k", 1, None, Instant::now()), Err(StateError::NotANumber));
    }

    #[test]
    fn the_store_is_bounded_and_makes_room_from_what_has_expired() {
        let state = SharedState::new(2 * (ENTRY_COST + 1 + 100));
        let now = Instant::now();
        state.set("a", vec![0; 100], Some(Duration::from_secs(1)), now).unwrap();
        state.set("b", vec![0; 100], None, now).unwrap();
        assert_eq!(state.set("c", vec![0; 100], None, now), Err(StateError::Full));
        assert_eq!(state.set("b", vec![1; 100], None, now), Ok(()), "an entry's own room is free for it");
        assert_eq!(state.set("c", vec![0; 100], None, now + Duration::from_secs(1)), Ok(()));
        assert_eq!(state.set("d", vec![0; MAX_VALUE + 1], None, now), Err(StateError::TooLarge));
        assert_eq!(state.set(&"k".repeat(MAX_KEY + 1), vec![], None, now), Err(StateError::TooLarge));
    }
}
