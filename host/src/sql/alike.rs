//! Owns reading again what was put together here, and the comparison with the tree that is meant. What does not read as that is
//! refused, never sent.

use std::ops::ControlFlow;

use sqlparser::ast::{Statement, Value as Literal, ValueWithSpan, VisitMut, VisitorMut};
use sqlparser::parser::Parser;

use super::dialect::Dialect;

/// The one statement that a text is.
pub(super) fn statement(dialect: Dialect, text: &str) -> Option<Statement> {
    let mut found = Parser::parse_sql(dialect.grammar(), text).ok()?;
    found.pop().filter(|_| found.is_empty())
}

/// Whether a text is one statement, and this one, whatever the numbers of its parameters.
pub(super) fn reads_as(dialect: Dialect, text: &str, meant: &Statement) -> bool {
    statement(dialect, text).is_some_and(|found| are_alike(&found, meant))
}

/// Whether two parts of a tree are the same, whatever the numbers of their parameters.
pub(super) fn are_alike<T: VisitMut + Clone + PartialEq>(one: &T, other: &T) -> bool {
    unnumbered(one) == unnumbered(other)
}

fn unnumbered<T: VisitMut + Clone>(part: &T) -> T {
    struct Unnumber;
    impl VisitorMut for Unnumber {
        type Break = ();

        fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<()> {
            if let Literal::Placeholder(mark) = &mut value.value {
                "?".clone_into(mark);
            }
            ControlFlow::Continue(())
        }
    }
    let mut part = part.clone();
    let _ = part.visit(&mut Unnumber);
    part
}
