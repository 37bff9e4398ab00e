//! Owns writing what an INSERT of given rows is logged as, and reading it again.

use sqlparser::ast::{
    Assignment, AssignmentTarget, Expr, Ident, Insert, ObjectName, Query, SetExpr, Statement, Values,
};
use sqlparser::keywords::Keyword;

use super::edit::{Edits, expression};
use super::insert::{Added, List, Target, default_values, list, row};
use super::look::Task;
use super::numbers::Numbers;
use super::place::{self, with_write};
use super::text::{Draft, Part, Text, written};
use crate::sql::alike::{reads_as, statement};
use crate::sql::plan::Refusal;

const OVERRIDING: &str = "OVERRIDING SYSTEM VALUE ";

/// Writes it.
pub(super) fn insert(
    task: &Task<'_>,
    target: &Target<'_>,
    edits: Edits,
    (given, added): (&[usize], &Added),
    numbers: Numbers,
) -> Result<Draft, Refusal> {
    let mut edits = edits;
    let names = |columns: &[usize]| -> Vec<String> {
        let columns = columns.iter().filter_map(|at| target.table.columns.get(*at));
        columns.map(|column| task.parsed.dialect().quote(&column.shape.name)).collect()
    };
    let added_names = names(&added.columns);
    let mut overriding = None;
    if target.insert.source.is_some() {
        overriding = put_values(task, target, &mut edits, (&names(given), &added_names), added)?;
    } else if !added.columns.is_empty() && target.insert.assignments.is_empty() {
        put_defaults(task, &mut edits, (&added_names, added))?;
    } else if !added.columns.is_empty() {
        put_assignments(task, &mut edits, &added_names, added)?;
    }
    let draft = |edits: &Edits| -> Result<Draft, Refusal> {
        let mut text = Text::new(task.parsed, task.params);
        text.tokens(0..task.parsed.pieces.len(), edits)?;
        let Numbers { needs, raises } = numbers.clone();
        Ok(Draft { needs, raises, ..text.draft(target.insert.returning.is_some()) })
    };
    let plain = draft(&edits)?;
    check(task, &edits, &plain.sample(), (&added_names, added), given.len() + added.columns.len())?;
    if !added.is_overriding {
        return Ok(plain);
    }
    // The grammar does not know these words, so they are put in behind the check.
    match overriding {
        Some(at) => edits.put(at, vec![Part::Text(OVERRIDING.to_owned())]),
        None => edits.put_into_defaults(OVERRIDING),
    }
    draft(&edits)
}

fn unclear() -> Refusal {
    Refusal::new("INSERT", "its parts cannot be told apart in the text")
}

/// Puts columns and values into an INSERT … VALUES; answers where VALUES stands.
fn put_values(
    task: &Task<'_>,
    target: &Target<'_>,
    edits: &mut Edits,
    (given, names): (&[String], &[String]),
    added: &Added,
) -> Result<Option<usize>, Refusal> {
    let Some(SetExpr::Values(values)) = target.insert.source.as_ref().map(|source| source.body.as_ref()) else {
        return Ok(None);
    };
    let places = values.rows.iter().map(|values| row(task.parsed, values));
    let places: Vec<_> = places.collect::<Option<_>>().ok_or_else(unclear)?;
    let word = places.first().and_then(|first| first.start.checked_sub(1));
    if added.columns.is_empty() {
        return Ok(word);
    }
    if values.explicit_row {
        return Err(Refusal::new("VALUES ROW(…)", "write VALUES (…)"));
    }
    let (at, text) = match list(task.parsed, target).ok_or_else(unclear)? {
        List::Ends(at) => (at, format!(", {}", names.join(", "))),
        List::Empty(at) => (at, [given, names].concat().join(", ")),
        List::Missing(at) => (at, format!("({}) ", [given, names].concat().join(", "))),
    };
    edits.put(at, vec![Part::Text(text)]);
    for (place, values) in places.iter().zip(&added.rows) {
        let is_empty = place.len() == 2;
        edits.put(place.end - 1, listed(values, is_empty));
    }
    Ok(word)
}

/// Values, each behind a comma.
fn listed(values: &[Vec<Part>], is_first: bool) -> Vec<Part> {
    let mut parts = Vec::new();
    for (nth, value) in values.iter().enumerate() {
        if !(is_first && nth == 0) {
            parts.push(Part::Text(", ".to_owned()));
        }
        parts.extend(value.iter().cloned());
    }
    parts
}

/// `DEFAULT VALUES` as a list of columns with a row.
fn put_defaults(task: &Task<'_>, edits: &mut Edits, (names, added): (&[String], &Added)) -> Result<(), Refusal> {
    let at = default_values(task.parsed).ok_or_else(unclear)?;
    let mut parts = vec![Part::Text(format!("({}) ", names.join(", "))), Part::Text("VALUES (".to_owned())];
    parts.extend(listed(added.rows.first().ok_or_else(unclear)?, true));
    parts.push(Part::Text(")".to_owned()));
    edits.put_over(at..at + 2, parts);
    Ok(())
}

/// `SET id = 5, …`
fn put_assignments(task: &Task<'_>, edits: &mut Edits, names: &[String], added: &Added) -> Result<(), Refusal> {
    let outer = place::outer(task.parsed, 0..task.parsed.pieces.len()).ok_or_else(unclear)?;
    let set = outer.into_iter().find(|at| task.parsed.keyword(*at) == Keyword::SET).ok_or_else(unclear)?;
    let mut parts = Vec::new();
    for (name, value) in names.iter().zip(added.rows.first().ok_or_else(unclear)?) {
        parts.push(Part::Text(format!("{name} = ")));
        parts.extend(value.iter().cloned());
        parts.push(Part::Text(", ".to_owned()));
    }
    edits.put(set + 1, parts);
    Ok(())
}

/// Whether the text is the statement as it came, with what was meant to be put in and nothing else.
fn check(
    task: &Task<'_>,
    edits: &Edits,
    sample: &str,
    (names, added): (&[String], &Added),
    width: usize,
) -> Result<(), Refusal> {
    let dialect = task.parsed.dialect();
    let value = |parts: &Vec<Part>| written(parts, |_, _| Some(1)).and_then(|text| expression(dialect, &text));
    let rows: Option<Vec<Vec<Expr>>> = added.rows.iter().map(|row| row.iter().map(value).collect()).collect();
    let rows = rows.ok_or_else(unclear)?;
    let name = |text: &String| match expression(dialect, text) {
        Some(Expr::Identifier(name)) => Some(name),
        _ => None,
    };
    let names: Vec<Ident> = names.iter().map(name).collect::<Option<_>>().ok_or_else(unclear)?;
    let found = statement(dialect, sample).ok_or_else(unclear)?;
    let (_, found) = place::written(&found);
    let Statement::Insert(found) = found else { return Err(unclear()) };
    let applied = edits.applied(&task.parsed.statement);
    let meant = with_write(&applied, |write| {
        if let Statement::Insert(insert) = write {
            extend(insert, found, &names, &rows);
        }
    });
    let is_wide = found.columns.is_empty() || found.columns.len() == width || !found.assignments.is_empty();
    if is_wide && reads_as(dialect, sample, &meant) { Ok(()) } else { Err(unclear()) }
}

/// The tree with columns and values added.
fn extend(insert: &mut Insert, found: &Insert, names: &[Ident], rows: &[Vec<Expr>]) {
    if names.is_empty() {
        return;
    }
    let object = |name: &Ident| ObjectName::from(vec![name.clone()]);
    if !insert.assignments.is_empty() {
        let values = rows.first().into_iter().flatten();
        let assigned = names.iter().zip(values).map(|(name, value)| Assignment {
            target: AssignmentTarget::ColumnName(object(name)),
            value: value.clone(),
        });
        insert.assignments = assigned.chain(std::mem::take(&mut insert.assignments)).collect();
        return;
    }
    if insert.columns.is_empty() {
        // All columns are listed, in the order of the table; that order is ours.
        let before = found.columns.len().saturating_sub(names.len());
        insert.columns = found.columns.iter().take(before).cloned().collect();
    }
    insert.columns.extend(names.iter().map(object));
    match &mut insert.source {
        Some(source) => {
            if let SetExpr::Values(values) = source.body.as_mut() {
                for (row, more) in values.rows.iter_mut().zip(rows) {
                    row.content.extend(more.iter().cloned());
                }
            }
        }
        None => insert.source = found.source.as_ref().and_then(|source| one_row(source, rows.first()?)),
    }
}

/// The query around a row, where the row is this one.
fn one_row(source: &Query, row: &[Expr]) -> Option<Box<Query>> {
    match source.body.as_ref() {
        SetExpr::Values(Values { rows, .. }) if rows.len() == 1 && rows.first()?.content == row => {
            Some(Box::new(source.clone()))
        }
        _ => None,
    }
}
