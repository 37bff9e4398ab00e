//! Owns the texts of a plan: where a range of keys is spliced into the statement of a node, and which parameters a text uses.

use std::collections::BTreeSet;

use super::{FinalStage, Plan};
use crate::sql::{parse::Parsed, topology::Slice};

/// The statement of the nodes, open where a range of keys may be added.
#[derive(Clone, Debug)]
pub(in crate::sql) struct NodeText {
    /// Up to the end of FROM.
    pub(in crate::sql) before: String,
    /// After WHERE; empty for none.
    pub(in crate::sql) filter: String,
    /// From the end of WHERE on.
    pub(in crate::sql) after: String,
    /// The key column of the table whose scan is divided, if it is known.
    pub(in crate::sql) key: Option<String>,
}

/// Whether a numbered parameter stands in two places.
pub(in crate::sql) fn repeats_parameter(parsed: &Parsed) -> bool {
    let mut met = BTreeSet::new();
    parsed.pieces.iter().any(|piece| match &piece.token {
        sqlparser::tokenizer::Token::Placeholder(mark) => !met.insert(mark),
        _ => false,
    })
}

/// Whether a text has `$2` and no `$1`: the server would not know the type of what is bound and not used.
pub(in crate::sql) fn skips_parameter(text: &str) -> bool {
    let number =
        |part: &str| part.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse::<usize>().ok());
    let met: BTreeSet<usize> = text.split('$').skip(1).filter_map(number).collect();
    met.last().is_some_and(|last| *last != met.len())
}

impl Plan {
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let last = match &self.last {
            FinalStage::Sql { sql, .. } => Some(sql.as_str()),
            _ => None,
        };
        self.nodes.iter().map(|node| node.sql.as_str()).chain(last)
    }
}

impl NodeText {
    /// Without a place for a range.
    pub(in crate::sql) fn fixed(sql: String) -> Self {
        Self { before: sql, filter: String::new(), after: String::new(), key: None }
    }

    pub(super) fn whole(&self) -> String {
        let mut sql = self.before.clone();
        if !self.filter.is_empty() {
            sql.push_str(&format!("\nWHERE {}", self.filter));
        }
        if !self.after.is_empty() {
            sql.push_str(&format!("\n{}", self.after));
        }
        sql
    }

    /// The part of one node: `from <= key AND key < below`, and the rows without a key where it takes them.
    pub(super) fn part(&self, key: &str, slice: &Slice) -> String {
        let from = slice.from.map(|from| format!("{key} >= {from}"));
        let below = slice.below.map(|below| format!("{key} < {below}"));
        let mut range = from.into_iter().chain(below).collect::<Vec<_>>().join(" AND ");
        if range.is_empty() {
            return self.whole();
        }
        if slice.takes_null {
            range = format!("{range} OR {key} IS NULL");
        }
        let filter =
            if self.filter.is_empty() { format!("({range})") } else { format!("({}\n) AND ({range})", self.filter) };
        Self { filter, ..self.clone() }.whole()
    }
}
