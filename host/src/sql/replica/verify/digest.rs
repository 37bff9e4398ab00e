//! Owns sums of rows: equal rows give equal sums, in whatever order they came, and a table is cut into chunks such that nodes
//! which hold the same cut at the same rows. Bounded memory: the more rows, the coarser the chunks.
//!
//! A chunk ends at a row whose key hashes to a number with enough zeros at its end. So where to cut is in the rows themselves,
//! and a row that only one node has moves no cut but those beside it.

use sha2::{Digest as _, Sha256};

use crate::sql::value::{Row, Value};

/// So many zeros at first: chunks of some 64 rows.
const ZEROS: u32 = 6;
/// So many chunks are kept of a table; one takes some hundred bytes.
const MOST_CHUNKS: usize = 16_384;

/// How many rows, and the sum of their hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    /// Rows.
    pub rows: u64,
    /// The sum of the first 128 bits of the SHA-256 of each.
    pub sum: u128,
}

impl Digest {
    fn add(&mut self, other: Self) {
        self.rows = self.rows.saturating_add(other.rows);
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

/// Where a chunk ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// The hash of the key of its last row.
    pub(super) hash: u128,
    /// That key, for people.
    pub(super) key: Vec<String>,
}

/// Rows that follow each other by their key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) digest: Digest,
    /// None for the last.
    pub(super) end: Option<Cut>,
}

/// A table as it is read.
#[derive(Debug)]
pub(super) struct Summing {
    key: Vec<usize>,
    zeros: u32,
    chunks: Vec<Chunk>,
    open: Digest,
}

/// What was read of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Summed {
    pub(super) zeros: u32,
    /// At least one; without a key only one.
    pub(super) chunks: Vec<Chunk>,
}

impl Summing {
    /// Of a table with this key.
    pub(super) fn new(key: Vec<usize>) -> Self {
        Self { key, zeros: ZEROS, chunks: Vec::new(), open: Digest::default() }
    }

    /// The next row.
    pub(super) fn push(&mut self, row: &Row) {
        self.open.add(Digest { rows: 1, sum: hash(row.iter()) });
        if self.key.is_empty() {
            return;
        }
        let hash = hash(self.key.iter().filter_map(|at| row.get(*at)));
        if hash.trailing_zeros() < self.zeros {
            return;
        }
        let key = self.key.iter().filter_map(|at| row.get(*at)).map(shown).collect();
        self.chunks.push(Chunk { digest: std::mem::take(&mut self.open), end: Some(Cut { hash, key }) });
        while self.chunks.len() > MOST_CHUNKS {
            self.zeros += 1;
            self.chunks = joined(std::mem::take(&mut self.chunks), self.zeros, &mut self.open);
        }
    }

    /// There are no more.
    pub(super) fn finish(mut self) -> Summed {
        self.chunks.push(Chunk { digest: self.open, end: None });
        Summed { zeros: self.zeros, chunks: self.chunks }
    }
}

impl Summed {
    /// All of it.
    pub(super) fn whole(&self) -> Digest {
        let mut whole = Digest::default();
        self.chunks.iter().for_each(|chunk| whole.add(chunk.digest));
        whole
    }

    /// In chunks as coarse as these.
    pub(super) fn coarsen(&mut self, zeros: u32) {
        if zeros > self.zeros {
            let mut rest = Digest::default();
            self.chunks = joined(std::mem::take(&mut self.chunks), zeros, &mut rest);
            self.zeros = zeros;
        }
    }

    /// What lies between two cuts, by the places of their chunks: after the one, and up to the other, included.
    pub(super) fn between(&self, after: Option<usize>, through: usize) -> Digest {
        let mut sum = Digest::default();
        let from = after.map_or(0, |after| after + 1);
        self.chunks.iter().take(through + 1).skip(from).for_each(|chunk| sum.add(chunk.digest));
        sum
    }
}

/// Fewer and longer chunks. What follows the last cut goes before what is `open`.
fn joined(chunks: Vec<Chunk>, zeros: u32, open: &mut Digest) -> Vec<Chunk> {
    let mut fewer: Vec<Chunk> = Vec::with_capacity(chunks.len() / 2 + 1);
    let mut rest = Digest::default();
    for Chunk { digest, end } in chunks {
        rest.add(digest);
        if end.as_ref().is_none_or(|cut| cut.hash.trailing_zeros() >= zeros) {
            fewer.push(Chunk { digest: std::mem::take(&mut rest), end });
        }
    }
    open.add(rest);
    fewer
}

/// The hash of some values: of what each is, how long it is, and its bytes.
fn hash<'a>(values: impl Iterator<Item = &'a Value>) -> u128 {
    let mut hasher = Sha256::new();
    let mut part = |kind: u8, bytes: &[u8]| {
        hasher.update([kind]);
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    for value in values {
        match value {
            Value::Null => part(0, &[]),
            Value::Bool(value) => part(1, &[u8::from(*value)]),
            Value::Integer(value) => part(2, &value.to_le_bytes()),
            Value::Decimal(text) => part(3, text.as_bytes()),
            Value::Real(value) => part(4, &value.to_bits().to_le_bytes()),
            Value::Text(text) => part(5, text.as_bytes()),
            Value::Blob(bytes) => part(6, bytes),
        }
    }
    hasher.finalize().iter().take(16).fold(0, |hash, byte| (hash << 8) | u128::from(*byte))
}

/// A value of a key, as people read it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Real(value) => value.to_string(),
        Value::Decimal(text) | Value::Text(text) => text.clone(),
        Value::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
