//! Owns remembering statements that were read and planned, so that asking again costs a look-up.
//!
//! Texts are kept by their normal form: white space and comments outside of quotes made one blank. Where it is not plain
//! what is quoted (a backslash, a dollar, a comment with a meaning of its own) the text is its own normal form, and where
//! a text has other tokens than its normal form it is read for itself. The normal form is what is read and sent, so that
//! what a client is answered does not depend on who asked first. A plan is kept for its text, its parameters and a version
//! that stands for the layout and the catalog that it was made from.
//!
//! Nothing is awaited under the locks, which are held for a look-up.

mod bounded;
mod normal;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::dialect::Dialect;
use super::parse::{ParseError, Parsed, parse};
use super::plan::{FinalStage, Load, LoadColumn, Plan};
use super::value::Value;
use bounded::Bounded;

pub use normal::normal;

/// How many bytes all texts, and all plans, may take: some thousand of usual statements.
const BYTES: usize = 16 << 20;

/// A text longer than this is read anew each time: it is an INSERT of many rows, which does not come again.
const LONGEST: usize = 16 << 10;

/// What one token takes when it is read, its part of the tree included (measured: 300 to 600 bytes).
const BYTES_PER_TOKEN: usize = 512;

/// Statements and plans that were made.
#[derive(Debug)]
pub struct PlanCache {
    dialect: Dialect,
    texts: Mutex<Bounded<Arc<Parsed>>>,
    plans: Mutex<Bounded<Arc<Plan>>>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    text_hits: AtomicU64,
    text_misses: AtomicU64,
    plan_hits: AtomicU64,
    plan_misses: AtomicU64,
}

/// How often it helped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheFigures {
    /// Texts that were known.
    pub text_hits: u64,
    /// Texts that had to be read.
    pub text_misses: u64,
    /// Plans that were known.
    pub plan_hits: u64,
    /// Plans that had to be made.
    pub plan_misses: u64,
    /// How many plans are kept now.
    pub plans: u64,
}

/// A place for a plan.
#[derive(Clone, Debug)]
pub struct PlanKey(Option<Box<[u8]>>);

impl PlanCache {
    /// One that keeps at most so many texts and so many plans; 0 keeps none.
    pub fn new(dialect: Dialect, most: usize) -> Self {
        let (texts, plans) = (Mutex::new(Bounded::new(most, BYTES)), Mutex::new(Bounded::new(most, BYTES)));
        Self { dialect, texts, plans, counts: Counts::default() }
    }

    /// The statement that a text is; errors name places of the text as it came.
    pub fn parsed(&self, sql: &str) -> Result<Arc<Parsed>, ParseError> {
        if sql.len() > LONGEST {
            self.counts.text_misses.fetch_add(1, Ordering::Relaxed);
            return parse(self.dialect, sql).map(Arc::new);
        }
        let text = normal(self.dialect, sql);
        let is_same = matches!(text, Cow::Borrowed(_)) || normal::is_same(self.dialect, sql, &text);
        let found = if is_same { lock(&self.texts).get(text.as_bytes()) } else { None };
        if let Some(found) = found {
            self.counts.text_hits.fetch_add(1, Ordering::Relaxed);
            return Ok(found);
        }
        self.counts.text_misses.fetch_add(1, Ordering::Relaxed);
        if !is_same {
            return parse(self.dialect, sql).map(Arc::new);
        }
        let parsed = match parse(self.dialect, &text) {
            Ok(parsed) => Arc::new(parsed),
            // Once more for the places, which are those of another text.
            Err(_) => return parse(self.dialect, sql).map(Arc::new),
        };
        let bytes = 2 * text.len() + parsed.pieces.len() * BYTES_PER_TOKEN;
        lock(&self.texts).put(text.as_bytes().into(), Arc::clone(&parsed), bytes);
        Ok(parsed)
    }

    /// The place for the plan of a statement with these parameters, as of a version.
    pub fn key(&self, parsed: &Parsed, params: &[Value], version: u64) -> PlanKey {
        if parsed.text.len() > LONGEST {
            return PlanKey(None);
        }
        let mut key = Vec::with_capacity(parsed.text.len() + 16 + 12 * params.len());
        key.extend(version.to_le_bytes());
        key.extend(parsed.text.as_bytes());
        // No text holds a NUL.
        key.push(0);
        for value in params {
            encode(value, &mut key);
            if key.len() > 2 * LONGEST {
                return PlanKey(None);
            }
        }
        PlanKey(Some(key.into_boxed_slice()))
    }

    /// The plan that was kept there.
    pub fn plan(&self, key: &PlanKey) -> Option<Arc<Plan>> {
        let found = key.0.as_ref().and_then(|key| lock(&self.plans).get(key));
        let count = if found.is_some() { &self.counts.plan_hits } else { &self.counts.plan_misses };
        count.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Keeps a plan.
    pub fn keep(&self, key: PlanKey, plan: &Arc<Plan>) {
        let Some(key) = key.0 else { return };
        let nodes = plan.nodes.iter().map(|node| 64 + node.sql.len()).sum::<usize>();
        let bytes = key.len() + nodes + plan.why.len() + last_bytes(&plan.last) + 512;
        lock(&self.plans).put(key, Arc::clone(plan), bytes);
    }

    /// How often it helped so far.
    pub fn figures(&self) -> CacheFigures {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        CacheFigures {
            text_hits: read(&self.counts.text_hits),
            text_misses: read(&self.counts.text_misses),
            plan_hits: read(&self.counts.plan_hits),
            plan_misses: read(&self.counts.plan_misses),
            plans: lock(&self.plans).len() as u64,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// About what a final stage takes.
fn last_bytes(last: &FinalStage) -> usize {
    match last {
        FinalStage::PassThrough | FinalStage::Concat(_) => 0,
        FinalStage::Merge { keys, .. } => 64 * keys.len(),
        FinalStage::Sql { loads, guards, sql } => {
            let column = |column: &LoadColumn| 72 + column.name.len() + column.declared.len() + column.collation.len();
            let load = |load: &Load| 64 + load.name.len() + load.columns.iter().map(column).sum::<usize>();
            let guards = guards.iter().map(|guard| 64 + guard.sql.len() + guard.construct.len()).sum::<usize>();
            sql.len() + loads.iter().map(load).sum::<usize>() + guards
        }
    }
}

/// No two lists of values have the same bytes.
fn encode(value: &Value, into: &mut Vec<u8>) {
    let mut long = |kind: u8, bytes: &[u8]| {
        into.push(kind);
        into.extend((bytes.len() as u64).to_le_bytes());
        into.extend(bytes);
    };
    match value {
        Value::Null => into.push(0),
        Value::Bool(value) => into.extend([1, u8::from(*value)]),
        Value::Integer(number) => {
            into.push(2);
            into.extend(number.to_le_bytes());
        }
        Value::Decimal(text) => long(3, text.as_bytes()),
        Value::Real(number) => {
            into.push(4);
            into.extend(number.to_bits().to_le_bytes());
        }
        Value::Text(text) => long(5, text.as_bytes()),
        Value::Blob(bytes) => long(6, bytes),
    }
}
