//! The shared store, in memory. Keeps the sizes that the contract sets, but not the host's share for each plugin.

use std::collections::BTreeMap;

use crate::StateError;

/// The longest key, in bytes.
const KEY_LIMIT: usize = 256;
/// The longest value, in bytes.
const VALUE_LIMIT: usize = 64 * 1024;

/// The store. Times are given from outside.
#[derive(Debug, Default)]
pub(super) struct Store {
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    value: Value,
    /// When it goes away.
    until_us: Option<u64>,
}

#[derive(Debug)]
enum Value {
    Bytes(Vec<u8>),
    Number(i64),
}

impl Store {
    pub(super) fn get(&mut self, now_us: u64, key: &str) -> Option<Vec<u8>> {
        self.expire(now_us);
        self.entries.get(key).map(|entry| match &entry.value {
            Value::Bytes(bytes) => bytes.clone(),
            Value::Number(number) => number.to_le_bytes().to_vec(),
        })
    }

    pub(super) fn set(&mut self, key: &str, value: &[u8], until_us: Option<u64>) -> Result<(), StateError> {
        if key.len() > KEY_LIMIT || value.len() > VALUE_LIMIT {
            return Err(StateError::TooLarge);
        }
        self.entries.insert(key.to_owned(), Entry { value: Value::Bytes(value.to_vec()), until_us });
        Ok(())
    }

    pub(super) fn add(&mut self, now_us: u64, key: &str, delta: i64, until_us: Option<u64>) -> Result<i64, StateError> {
        self.expire(now_us);
        if key.len() > KEY_LIMIT {
            return Err(StateError::TooLarge);
        }
        let entry = self.entries.entry(key.to_owned()).or_insert(Entry { value: Value::Number(0), until_us: None });
        let Value::Number(number) = &mut entry.value else { return Err(StateError::NotANumber) };
        *number = number.saturating_add(delta);
        entry.until_us = until_us.or(entry.until_us);
        Ok(*number)
    }

    fn expire(&mut self, now_us: u64) {
        self.entries.retain(|_, entry| entry.until_us.is_none_or(|until| now_us < until));
    }
}
