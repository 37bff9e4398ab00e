//! Owns what the arguments of aggregates must be, so that partial aggregates can be put together.

use std::ops::ControlFlow;

use sqlparser::ast::{DuplicateTreatment, Expr, Function, FunctionArguments, visit_expressions};

use super::{
    super::{
        dialect::{Nature, arguments},
        plan::{Blocked, Refusal},
        shape::Scope,
    },
    Work, finds_aggregate,
    items::has_unresolved,
};

/// Of equal numbers that are written differently `SUM(DISTINCT …)` adds an arbitrary one, and how it is written shows.
pub(super) fn refuse_arbitrary_sums(work: &Work<'_>) -> Result<(), Blocked> {
    let (scope, rules) = (&work.sources.scope, work.rules());
    let found = visit_expressions(work.task.query, |expr| {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let name = function.name.to_string().to_ascii_lowercase();
        let adds = rules.nature(function) == Nature::Aggregate && !matches!(name.as_str(), "count" | "min" | "max");
        let is_distinct = matches!(&function.args, FunctionArguments::List(list)
            if matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct)));
        let given = arguments(function).unwrap_or_default();
        let has_one_spelling = given.iter().all(|argument| rules.has_one_spelling(scope.kind(argument)));
        if adds && is_distinct && !has_one_spelling { ControlFlow::Break(name) } else { ControlFlow::Continue(()) }
    });
    match found {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(name) => {
            let why = "equal values may be written differently, which one is added would be arbitrary";
            Err(Blocked::Refuse(Refusal::new(format!("{name}(DISTINCT …)"), why)))
        }
    }
}

/// Whether an aggregate is DISTINCT, and its argument; what cannot be combined is gathered.
pub(super) fn checked_argument(function: &Function, scope: &Scope) -> Result<(bool, Option<Expr>), Blocked> {
    let FunctionArguments::List(list) = &function.args else { return Err(Blocked::gather("an unusual aggregate")) };
    let odd = !list.clauses.is_empty() || !function.within_group.is_empty() || function.null_treatment.is_some();
    let is_distinct = matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct));
    let is_all = matches!(list.duplicate_treatment, Some(DuplicateTreatment::All));
    if odd || is_all || (is_distinct && function.filter.is_some()) {
        return Err(Blocked::gather("an aggregate with ALL or ORDER BY, or with DISTINCT and FILTER"));
    }
    let argument = arguments(function).and_then(|given| given.first().map(|first| (*first).clone()));
    if is_distinct && matches!(argument, Some(Expr::Tuple(_))) {
        return Err(Blocked::gather("a row as the argument of a DISTINCT aggregate"));
    }
    let parts = [argument.as_ref(), function.filter.as_deref()];
    if parts.into_iter().flatten().any(|part| has_unresolved(part, scope) || finds_aggregate(part, scope.rules)) {
        return Err(Blocked::gather("an alias or an aggregate within an aggregate"));
    }
    Ok((is_distinct, argument))
}
