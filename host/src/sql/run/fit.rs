//! Owns looking once, before a table is first routed by its key, whether that key is what the configuration says of it. What
//! the router concludes from a key of another kind would be wrong.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use futures_util::stream::{FuturesUnordered, StreamExt};

use super::entry::Asked;
use super::shapes::{ask, holders};
use super::spread::Spread;
use crate::sql::error::Error;
use crate::sql::inspect::{keys, unfit};

/// The tables that were looked at, of one layout.
#[derive(Debug, Default)]
pub(super) struct Fit(Mutex<(u64, BTreeSet<String>)>);

impl Fit {
    /// Those of these tables that were not looked at in this layout.
    fn missing<'a, K>(&self, layout: u64, tables: impl Iterator<Item = (&'a str, K)>) -> Vec<(&'a str, K)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tables.filter(|(table, _)| known.0 != layout || !known.1.contains(*table)).collect()
    }

    fn note(&self, layout: u64, table: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != layout {
            *known = (layout, BTreeSet::new());
        }
        known.1.insert(table.to_owned());
    }

    /// Forgets everything: tables have changed.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clear();
    }
}

impl Spread {
    /// Looks at the keys of tables that were not looked at yet. The first node that answers decides, as all are meant to be
    /// alike; where none does, the statement itself will say so.
    pub(super) async fn fits(&self, asked: &Asked, tables: &[String]) -> Result<(), Error> {
        let is_asked = |name: &str| tables.iter().any(|table| table.eq_ignore_ascii_case(name));
        let keys = keys(&self.spec).filter(|(table, _)| is_asked(table));
        for (table, key) in self.fit.missing(asked.layout_version, keys) {
            let name = table.to_owned();
            let wanted = [&name];
            let shards = holders(&asked.nodes, table);
            let mut answers: FuturesUnordered<_> =
                shards.into_iter().map(|shard| ask(&asked.nodes, shard, &wanted, asked.due)).collect();
            while let Some((node, answer)) = answers.next().await {
                let Some(shape) = answer.ok().and_then(|mut found| found.remove(table)) else { continue };
                if shape.is_empty() {
                    continue;
                }
                if let Some(what) = unfit(asked.nodes.backend().dialect(), key, &shape) {
                    return Err(Error::Unready(format!("table {table} on {node} {what}")));
                }
                self.fit.note(asked.layout_version, table);
                break;
            }
        }
        Ok(())
    }
}
