//! Owns what a column's default is when a row leaves the column out: the same everywhere, a literal to be written instead, the
//! next number of a counter, or not to be known.

use sqlparser::ast::{SelectItem, SetExpr, Statement};

use super::cast;
use super::edit::Edits;
use super::look::{Look, Task, Times};
use super::tables::{Auto, Table, TableColumn};
use super::text::{Part, Text, written};
use crate::sql::parse::parse;
use crate::sql::plan::Refusal;

/// What stands for a column that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Instead {
    /// Nothing: the default is the same everywhere.
    Nothing,
    /// A literal.
    Literal(String),
    /// The next number.
    Number,
}

/// Looks at it.
pub(super) fn instead(
    task: &Task<'_>,
    table: &Table,
    column: &TableColumn,
    times: Times,
    random: &mut dyn FnMut() -> u64,
) -> Result<Instead, Refusal> {
    let construct = || format!("the default of {}.{}", table.name, task.parsed.dialect().quote(&column.shape.name));
    match &column.auto {
        Auto::Sequence { step, .. } if *step != 1 => {
            return Err(Refusal::new(construct(), "its sequence does not count by one: give the number"));
        }
        Auto::Rowid { .. } | Auto::Increment | Auto::Sequence { .. } => return Ok(Instead::Number),
        Auto::No => {}
    }
    let Some(text) = column.default.as_deref().filter(|_| !column.is_generated) else { return Ok(Instead::Nothing) };
    if is_bits(text) {
        return Ok(Instead::Nothing);
    }
    let unclear =
        || Refusal::new(construct(), format!("{text} is not known to be the same on every node: give the value"));
    let parsed = parse(task.parsed.dialect(), &format!("SELECT {text}")).map_err(|_| unclear())?;
    let Statement::Query(query) = &parsed.statement else { return Err(unclear()) };
    let SetExpr::Select(select) = query.body.as_ref() else { return Err(unclear()) };
    let [SelectItem::UnnamedExpr(expr)] = select.projection.as_slice() else { return Err(unclear()) };
    let inner = Task { parsed: &parsed, params: &[], ..*task };
    let mut look = Look::new(&inner, random);
    if !parsed.is(&(1..parsed.pieces.len()), expr) {
        return Err(unclear());
    }
    if cast::is_own(&look, column, expr) {
        return Ok(Instead::Nothing);
    }
    let looked = look.through(expr, times);
    looked.map_err(|refusal| Refusal::new(construct(), format!("{}: {}", refusal.construct, refusal.why)))?;
    if let Some(reason) = look.found.rows {
        return Err(Refusal::new(construct(), format!("{}: {}", reason.construct, reason.why)));
    }
    literal(&inner, &look.found.edits).map(|text| text.map_or(Instead::Nothing, Instead::Literal))
}

fn literal(inner: &Task<'_>, edits: &Edits) -> Result<Option<String>, Refusal> {
    if edits.is_empty() {
        return Ok(None);
    }
    let mut text = Text::new(inner.parsed, &[]);
    text.tokens(1..inner.parsed.pieces.len(), edits)?;
    let (parts, _): (Vec<Part>, _) = text.finish();
    Ok(written(&parts, |_, _| None))
}

/// `b'0'` of MySQL, which is not read as an expression.
fn is_bits(text: &str) -> bool {
    let inside = text.strip_prefix("b'").and_then(|rest| rest.strip_suffix('\''));
    inside.is_some_and(|bits| bits.chars().all(|bit| matches!(bit, '0' | '1')))
}
