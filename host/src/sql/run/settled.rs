//! Owns remembering what shards were asked before a write, and had nothing against: so it is asked once in a while, and not
//! before every write. Pure but for its lock.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::Instant as Clock;

use crate::sql::topology::Shard;
use crate::sql::write::{Change, Question};

/// How long an answer holds; as long as what is known of the columns of tables.
const FRESH: Duration = Duration::from_secs(60);

/// So many answers are kept: far more than statements that differ in their columns.
const MOST: usize = 4096;

/// The layout, the shard, and the question in full.
type Asked = (u64, Shard, String);

/// What was answered, and when.
#[derive(Debug, Default)]
pub(super) struct Settled(Mutex<HashMap<Asked, Instant>>);

impl Settled {
    /// Leaves out the questions that all shards of a change have answered lately.
    pub(super) fn relieve(&self, layout: u64, change: &mut Change) {
        if change.questions.is_empty() {
            return;
        }
        let (now, shards) = (Clock::now().into_std(), shards(change));
        self.change(|known| {
            let is_fresh = |key: &Asked| known.get(key).is_some_and(|at| now.saturating_duration_since(*at) < FRESH);
            change.questions.retain(|question| {
                let text = text(question);
                !shards.iter().all(|shard| is_fresh(&(layout, *shard, text.clone())))
            });
        });
    }

    /// A change was carried out, so that none of its questions had a row for an answer.
    pub(super) fn note(&self, layout: u64, change: &Change) {
        if change.questions.is_empty() {
            return;
        }
        let (now, shards) = (Clock::now().into_std(), shards(change));
        self.change(|known| {
            if known.len() >= MOST {
                known.clear();
            }
            for question in &change.questions {
                let text = text(question);
                known.extend(shards.iter().map(|shard| ((layout, *shard, text.clone()), now)));
            }
        });
    }

    /// Forgets everything: tables have changed.
    pub(super) fn clear(&self) {
        self.change(HashMap::clear);
    }

    fn change<T>(&self, change: impl FnOnce(&mut HashMap<Asked, Instant>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn shards(change: &Change) -> Vec<Shard> {
    let mut shards: Vec<Shard> = change.statements.iter().map(|statement| statement.shard).collect();
    shards.dedup();
    shards
}

fn text(question: &Question) -> String {
    // Each value as it is written for people tells it from all others.
    format!("{:?} {}", question.params, question.sql)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::dialect::Dialect;
    use crate::sql::value::Value;
    use crate::sql::write::{Count, ShardStatement};

    fn change(shards: &[u16], column: &str) -> Change {
        let refusal = crate::sql::plan::Refusal { construct: String::new(), why: String::new() };
        let question = Question { sql: "q".into(), params: vec![Value::Text(column.into())], refusal };
        let statement = |shard: &u16| ShardStatement { shard: Shard(*shard), sql: String::new(), params: Vec::new() };
        Change {
            dialect: Dialect::MySql,
            statements: shards.iter().map(statement).collect(),
            count: Count::Sum,
            returns: false,
            questions: vec![question],
            verify: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_all_shards_have_answered_lately_is_not_asked_again() {
        let settled = Settled::default();
        let asks = |layout, shards: &[u16], column: &str| {
            let mut change = change(shards, column);
            settled.relieve(layout, &mut change);
            !change.questions.is_empty()
        };
        assert!(asks(0, &[0, 1], "a"));
        settled.note(0, &change(&[0, 1], "a"));
        assert!(!asks(0, &[0, 1], "a") && !asks(0, &[1], "a"));
        assert!(asks(0, &[1, 2], "a") && asks(0, &[1], "b") && asks(1, &[1], "a"));
        tokio::time::advance(FRESH).await;
        assert!(asks(0, &[1], "a"));
        settled.note(0, &change(&[1], "a"));
        settled.clear();
        assert!(asks(0, &[1], "a"));
    }
}
