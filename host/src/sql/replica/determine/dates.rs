//! Owns SQLite's functions of dates, which read the clock where they are given `'now'` or no time at all, and the node's time
//! zone where they are told `'localtime'` or `'utc'`.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Function, Value as Literal};

use super::look::{Look, has_named_arguments, refuse};
use super::text::Part;
use crate::sql::plan::Refusal;
use crate::sql::value::Value;

/// Looks at a call.
pub(super) fn look(look: &mut Look<'_, '_>, function: &Function, expr: &Expr) -> ControlFlow<Refusal> {
    let name = function.name.to_string().to_ascii_lowercase();
    let given = crate::sql::dialect::arguments(function).unwrap_or_default();
    if has_named_arguments(function) {
        return refuse(name, "not a call that is known");
    }
    let format = usize::from(name == "strftime");
    let times = if name == "timediff" { 2 } else { 1 };
    if given.len() <= format {
        return without_time(look, function, expr);
    }
    for (at, argument) in given.iter().enumerate().skip(format) {
        let is_time = at < format + times;
        match text(look, argument) {
            Known::Text(word) => zone(&word)?,
            Known::Other => {}
            Known::Nothing => {
                look.by_rows(format!("{name}()"), "a value such as 'now' would be another time on each node")
            }
        }
        match text(look, argument) {
            Known::Text(word) if is_time && word.eq_ignore_ascii_case("now") => {
                let literal = match look.task.moment.sqlite_now() {
                    Ok(literal) => literal,
                    Err(refusal) => return ControlFlow::Break(refusal),
                };
                look.freeze(argument, literal)?;
            }
            Known::Text(word)
                if is_time && ["subsec", "subsecond"].iter().any(|known| word.eq_ignore_ascii_case(known)) =>
            {
                return refuse(format!("{name}('{word}')"), "write 'now' before it");
            }
            _ => {}
        }
    }
    ControlFlow::Continue(())
}

enum Known {
    Text(String),
    Other,
    Nothing,
}

/// What an argument is, as far as the text and the parameters tell.
fn text(look: &Look<'_, '_>, argument: &Expr) -> Known {
    let value = match argument {
        Expr::Value(value) => value,
        // Numbers are days or seconds.
        Expr::UnaryOp { expr, .. } if matches!(expr.as_ref(), Expr::Value(of) if is_number(&of.value)) => {
            return Known::Other;
        }
        _ => return Known::Nothing,
    };
    match (&value.value, look.parameter(&value.value)) {
        (_, Some(Value::Text(text))) => Known::Text(text.clone()),
        // Bytes are read as text.
        (_, Some(Value::Blob(bytes))) => Known::Text(String::from_utf8_lossy(bytes).into_owned()),
        (_, Some(_)) => Known::Other,
        (Literal::Placeholder(_), None) => Known::Nothing,
        (Literal::HexStringLiteral(_), _) => Known::Nothing,
        (literal, _) => literal.clone().into_string().map_or(Known::Other, Known::Text),
    }
}

fn is_number(literal: &Literal) -> bool {
    matches!(literal, Literal::Number(..))
}

fn zone(word: &str) -> ControlFlow<Refusal> {
    match word.trim().to_ascii_lowercase().as_str() {
        word @ ("localtime" | "utc") => refuse(format!("'{word}'"), "each node has its own time zone"),
        _ => ControlFlow::Continue(()),
    }
}

/// `datetime()` is `datetime('now')`.
fn without_time(look: &mut Look<'_, '_>, function: &Function, expr: &Expr) -> ControlFlow<Refusal> {
    let given = crate::sql::dialect::arguments(function).unwrap_or_default();
    let literal = match look.task.moment.sqlite_now() {
        Ok(literal) => literal,
        Err(refusal) => return ControlFlow::Break(refusal),
    };
    let format = match given.as_slice() {
        [] => String::new(),
        [Expr::Value(value)] => match &value.value {
            Literal::SingleQuotedString(text) => format!("'{}', ", text.replace('\'', "''")),
            _ => return refuse("strftime(…)", "write its format as a text, and 'now' behind it"),
        },
        _ => return refuse("strftime(…)", "write its format as a text, and 'now' behind it"),
    };
    if function.name.to_string().eq_ignore_ascii_case("strftime") && given.is_empty() {
        return ControlFlow::Continue(());
    }
    let parts = vec![Part::Text(format!("{}({format}{literal})", function.name))];
    let Some(place) = super::edit::place_of(expr) else {
        return refuse("datetime()", "cannot be told apart in the text");
    };
    match look.found.edits.replace(look.task.parsed, place, expr, parts) {
        Ok(()) => ControlFlow::Continue(()),
        Err(refusal) => ControlFlow::Break(refusal),
    }
}
