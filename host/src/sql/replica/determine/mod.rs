//! What a client's write is logged as, so that every node that carries it out has the same rows afterwards. Pure: no I/O.
//!
//! A write is logged *as it is* where it does the same everywhere, given equal rows; *frozen* where what differs can be
//! computed before: calls of the clock and random values that are computed once become literals, defaults that are not the same
//! everywhere are written down, numbers come from counters of the host ([`Draft`]); *as rows* where one node must find them out
//! for all ([`RowsPlan`]); and it is refused, with the construct named, where none of this is proven. A function, an operator, a
//! kind of expression that is not known is refused.
//!
//! - All clock calls of one entry tell one moment. MySQL's follow the session's variable `timestamp`, which is set for each
//!   entry, with its defaults and `ON UPDATE`; `SYSDATE()` does not and becomes a literal.
//! - A random value is frozen where it is computed once: in a row of VALUES, or in an UPDATE of one row by its primary key.
//! - UPDATE and DELETE that choose rows otherwise than by values of columns (LIMIT, `random()` in a condition), or take values
//!   from several rows, are done by primary key.
//! - What a library of a node computes (`exp()`), and what may be a call of a function that is not seen (`t.f`), one node finds out.
//! - The texts are cut from the client's own by token position, read again, and compared with the tree that is meant.
//!
//! What a session has (`last_insert_rowid()`, `currval()`, variables), what a server has (`version()`, numbers of transactions),
//! and triggers, whose bodies are not seen, are refused.

mod alias;
mod cast;
mod catalog;
mod change;
mod class;
mod clock;
mod compose;
mod conflicts;
mod dates;
mod defaults;
mod edit;
mod find;
mod functions;
mod ids;
mod insert;
mod keyed;
mod known;
mod look;
mod numbers;
mod one_node;
mod order;
mod place;
mod qualified;
mod random;
mod rows;
mod schema;
mod source;
mod tables;
mod text;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{ObjectName, Statement, visit_relations};
use sqlparser::tokenizer::Token;

use super::super::dialect::Dialect;
use super::super::parse::Parsed;
use super::super::plan::Refusal;
use super::super::value::Value;

pub use catalog::{Facts, facts, table};
pub use class::{Class, class};
pub use clock::Moment;
pub use ids::Ids;
pub use rows::RowsPlan;
pub use tables::{Auto, Counter, Table, TableColumn, Tables, Traits};
pub use text::{Draft, Need, Raise};

/// How a write is logged.
#[derive(Clone, Debug)]
pub enum Determined {
    /// As one statement.
    Logged(Draft),
    /// As what the rows of a query become.
    Rows(Box<RowsPlan>),
}

/// The tables that a statement names, as they are to be known to [`determine`]; a dot stands between a schema and a table.
pub fn names(parsed: &Parsed) -> BTreeSet<String> {
    let dialect = parsed.dialect();
    let ctes = order::ctes(&parsed.statement, dialect);
    let mut names = BTreeSet::new();
    let _ = visit_relations(&parsed.statement, |name: &ObjectName| {
        names.extend(tables::path(dialect, name));
        ControlFlow::<()>::Continue(())
    });
    names.retain(|name| !ctes.iter().any(|cte| dialect.rules().same_name(cte, name)));
    names
}

/// What a write is logged as. `tables` are those of [`names`] that exist; `moment` is the entry's, `random` gives 64 random bits
/// at each call.
pub fn determine(
    parsed: &Parsed,
    params: &[Value],
    tables: &Tables,
    moment: Moment,
    random: &mut dyn FnMut() -> u64,
) -> Result<Determined, Refusal> {
    if params.len() != parsed.parameters {
        let why = format!("the statement takes {}, {} given", parsed.parameters, params.len());
        return Err(Refusal::new("parameters", why));
    }
    refuse_names(parsed)?;
    let (with, write) = place::written(&parsed.statement);
    let task = look::Task { parsed, params, tables, moment, with };
    match write {
        Statement::Insert(insert) => insert::insert(&task, insert, random),
        Statement::Update(update) => change::update(&task, update, random),
        Statement::Delete(delete) => change::delete(&task, delete, random),
        Statement::Query(query) => schema::call(&task, query, random),
        _ => schema::schema(&task, random),
    }
    .map(|mut determined| {
        if let Determined::Logged(draft) = &mut determined {
            draft.raises.sort_by(|one, other| (&one.counter, one.given).cmp(&(&other.counter, other.given)));
            draft.raises.reverse();
            draft.raises.dedup_by(|one, other| one.counter == other.counter);
        }
        determined
    })
}

/// Refuses names that are not to be written to, and those that would be taken for another's.
fn refuse_names(parsed: &Parsed) -> Result<(), Refusal> {
    for piece in &parsed.pieces {
        let text = match &piece.token {
            Token::Word(word) => {
                // The server folds no other letters, the rules of the dialect do.
                let is_folded = word.quote_style.is_none() && parsed.dialect() == Dialect::Postgres;
                if is_folded && word.value.to_lowercase() != word.value.to_ascii_lowercase() {
                    return Err(Refusal::new(&word.value, "its case is not sure: write the name in quotes"));
                }
                &word.value
            }
            // SQLite takes a text for a name where a name must stand.
            Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) => text,
            _ => continue,
        };
        if let Some(table) = super::mark::OURS.into_iter().find(|table| text.eq_ignore_ascii_case(table)) {
            return Err(Refusal::new(table, "it tells what the node has applied, and is not for others to write"));
        }
    }
    Ok(())
}
