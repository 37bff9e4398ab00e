//! Owns the decision how a SELECT is answered by several shards: statements for the nodes and a final stage, or a refusal that
//! names the construct. Pure: no I/O. It must never evaluate an expression of SQL: whatever is not trivially exact (concat, a
//! k-way merge by bytes and numbers) is *final SQL*, run by an engine of the same dialect over the rows of the nodes.
//!
//! Three tiers, and everything that is not proven right falls to the next:
//!
//! 1. **Pass-through**: all rows that count are on one shard (or the statement reads reference tables only, or its predicates
//!    contradict each other, so that any shard gives the answer): the statement itself.
//! 2. **Merge**: each shard answers a part, the final stage puts the parts together.
//! 3. **Gather**: the needed columns of the tables are loaded into one engine, and the statement itself runs there.
//!
//! Where every node holds every row and only a scan is divided ([`super::topology::Topology::is_split`]) each node's part is cut
//! out by a range of keys in its WHERE; what cannot be merged goes whole to one node.
//!
//! # Decisions about exactness
//!
//! What a dialect can promise is said in its own rules ([`super::dialect`]). For all of them:
//!
//! - A *guard* asks of the partial results what is known only at run time. Where it finds a row the final stage must not run: the
//!   caller plans again with [`Options::no_merge`].
//! - A sum of integers that overflows is an error in the node or in the final stage, never a float. `AVG` and `TOTAL` of such
//!   integers, which SQLite answers with an approximation, are refused at run time the same way. (SQLite's own `SUM` fails when a
//!   running total leaves 64 bits, which depends on the order of rows; here only totals of shards and of the whole can.)
//! - What depends on the order of rows (`GROUP_CONCAT` and the like, a column that is neither grouped nor aggregated) is refused.
//! - Where equal values can be written differently (`1` and `1.0`, `a` and `A` under NOCASE) GROUP BY, DISTINCT, UNION, MIN and MAX
//!   answer one of them arbitrarily: refused. COUNT(DISTINCT) of numbers written differently is exact.
//! - Zero is taken as one value: `0.0` and `-0.0` are equal, which of them a group shows is arbitrary.
//! - Loaded columns keep the type and collation that decide comparisons.
//! - `LIMIT` is pushed down as `n + m` (checked) only without DISTINCT, and with GROUP BY and aggregates only where the partition
//!   key is grouped by and cannot be NULL: then each group lies on one shard, and the nodes answer whole groups.
//! - Functions that differ by shard or moment, and functions not known, are refused over several shards; so are row numbers and
//!   system columns, whole rows as values and names that may be calls of functions.

use std::cell::OnceCell;

use sqlparser::ast::Statement;

use super::catalog::Catalog;
use super::gather;
use super::parse::Parsed;
use super::route::Reads;
use super::value::Value;

mod task;
mod text;
mod types;

#[cfg(test)]
mod tests;

pub(super) use task::Task;
pub(super) use text::{NodeText, repeats_parameter, skips_parameter};
pub(in crate::sql) use types::Blocked;
pub use types::{
    Class, FinalStage, Guard, KeyColumn, Load, LoadColumn, MergeKey, NodeStatement, Plan, Refusal, Tier, Window,
};

/// What the caller asks of the planner.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Do not merge: a guard of the merge has found a row.
    pub no_merge: bool,
}

/// Plans a SELECT; `reads` is what [`super::route::route`] found out about the same statement.
pub fn plan(
    parsed: &Parsed,
    params: &[Value],
    reads: &Reads,
    catalog: &Catalog<'_>,
    options: Options,
) -> Result<Plan, Refusal> {
    let Statement::Query(query) = &parsed.statement else {
        let word = parsed.word(0).unwrap_or("the statement").to_ascii_uppercase();
        return Err(Refusal::new(word, "only SELECT is planned here"));
    };
    let rules = parsed.dialect().rules();
    let survey = parsed.survey();
    if let Some(lock) = query.locks.first() {
        return Err(Refusal::new(lock.to_string(), "what a statement locks is free again when it is done"));
    }
    if survey.writes {
        return Err(Refusal::new("WITH … INSERT, UPDATE or DELETE", "only SELECT is planned here"));
    }
    if params.len() != parsed.parameters {
        let why = format!("the statement takes {}, {} given", parsed.parameters, params.len());
        return Err(Refusal::new("parameters", why));
    }
    let task = Task { parsed, query, survey, params, catalog, reads, rules, prefix: OnceCell::new() };
    let spread = task.spread_tables()?;
    let all = catalog.shards();
    if all.len() > 1 && !catalog.topology.is_split() {
        task.refuse_hidden_columns()?;
    }
    if let Some(shard) = reads.whole_at(catalog.topology) {
        return Ok(task.pass_through(Some(shard)));
    }
    if spread == 0 || all.len() <= 1 {
        return Ok(task.pass_through(all.first().copied()));
    }
    if catalog.topology.is_split() {
        if survey.is_long() {
            return Ok(task.pass_through(Some(task.some_shard())));
        }
        return Ok(task.divide(spread, options).unwrap_or_else(|| task.pass_through(Some(task.some_shard()))));
    }
    if survey.is_long() {
        let why = "more tables or terms than are divided among several shards";
        return Err(Refusal::new("a statement of this length", why));
    }
    task.refuse_hindrances()?;
    if options.no_merge {
        return gather::gather(&task, "the values met were not what a merge is exact for");
    }
    match task.merge(spread) {
        Ok(plan) if rules.infers_parameters() && plan.texts().any(skips_parameter) => {
            gather::gather(&task, "a parameter that a part of the statement does not use")
        }
        Ok(plan) => Ok(plan),
        Err(Blocked::Gather(why)) => gather::gather(&task, &why),
        Err(Blocked::Refuse(refusal)) => Err(refusal),
    }
}
