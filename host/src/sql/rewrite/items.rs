//! Owns the columns of an answer: what each item of a select list is, where its text stands, and its name.

use std::ops::Range;

use sqlparser::{
    ast::{Expr, Ident, Select, SelectItem, SelectItemQualifiedWildcardKind},
    keywords::Keyword,
};

use super::{
    super::{dialect::Rules, plan::Blocked, plan::Task, shape::Scope},
    clauses::Clauses,
};

/// One column of the answer.
#[derive(Clone, Debug)]
pub(in super::super) struct Output {
    /// What it is; a wildcard is taken apart into its columns.
    pub(in super::super) expr: Expr,
    /// The tokens of the expression; none for a column of a wildcard.
    pub(in super::super) range: Option<Range<usize>>,
    /// The alias, folded.
    pub(in super::super) alias: Option<String>,
    /// The name that the answer shows; none where that is not certain.
    pub(in super::super) name: Option<String>,
}

impl Output {
    /// The name that the answer shows; where it is not certain, the statement itself must run to know it.
    pub(in super::super) fn shown(&self) -> Result<&str, Blocked> {
        self.name.as_deref().ok_or_else(|| Blocked::gather("a column whose name only the server knows"))
    }
}

/// The columns of the answer.
pub(in super::super) fn outputs(
    task: &Task<'_>,
    select: &Select,
    clauses: &Clauses,
    scope: &Scope,
) -> Result<Vec<Output>, Blocked> {
    let mut outputs = Vec::new();
    for (item, range) in select.projection.iter().zip(&clauses.items) {
        match item {
            SelectItem::UnnamedExpr(expr) => outputs.push(output(task, scope, expr, None, range.clone())?),
            SelectItem::ExprWithAlias { expr, alias } => {
                let name = range.end.saturating_sub(1);
                let has_as = name.checked_sub(1).is_some_and(|at| task.parsed.keyword(at) == Keyword::AS);
                let end = if has_as { name.saturating_sub(1) } else { name };
                outputs.push(output(task, scope, expr, Some(alias), range.start..end)?);
            }
            SelectItem::Wildcard(_) => expand(scope, None, &mut outputs)?,
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                let [table] = name.0.as_slice() else { return Err(Blocked::gather("a wildcard of an unknown table")) };
                let table = table.as_ident().map(|table| scope.rules.fold(table)).unwrap_or_default();
                expand(scope, Some(&table), &mut outputs)?;
            }
            _ => return Err(Blocked::gather("an unusual item of the select list")),
        }
    }
    Ok(outputs)
}

fn output(
    task: &Task<'_>,
    scope: &Scope,
    expr: &Expr,
    alias: Option<&Ident>,
    range: Range<usize>,
) -> Result<Output, Blocked> {
    if !task.parsed.is(&range, expr) {
        return Err(Blocked::gather("an item of the select list that could not be cut for certain"));
    }
    let alias = alias.map(|alias| task.rules.fold(alias));
    let name = match (&alias, scope.shape_of(expr)) {
        (Some(alias), _) => Some(alias.clone()),
        (None, Some(shape)) => Some(shape.name.clone()),
        (None, None) => task.rules.shown_name(expr, task.parsed.slice(&range)),
    };
    Ok(Output { expr: expr.clone(), range: Some(range), alias, name })
}

fn expand(scope: &Scope, table: Option<&str>, outputs: &mut Vec<Output>) -> Result<(), Blocked> {
    let before = outputs.len();
    for bound in &scope.tables {
        if table.is_some_and(|table| !scope.rules.same_name(table, &bound.alias)) {
            continue;
        }
        for column in &bound.columns {
            let quoted = |name: &str| Ident::with_quote(scope.rules.quote_mark(), name);
            let expr = Expr::CompoundIdentifier(vec![quoted(&bound.alias), quoted(&column.name)]);
            outputs.push(Output { expr, range: None, alias: None, name: Some(column.name.clone()) });
        }
    }
    if outputs.len() == before { Err(Blocked::gather("a wildcard of an unknown table")) } else { Ok(()) }
}

/// The column whose alias a name is, or, where the dialect knows such names, whose name it is without an alias. Where several have
/// it the first one counts, or, in such a dialect, the server is left to say what is meant.
pub(in super::super) fn aliased(outputs: &[Output], expr: &Expr, rules: &dyn Rules) -> Result<Option<usize>, Blocked> {
    let Expr::Identifier(name) = expr else { return Ok(None) };
    let name = rules.fold(name);
    let is_meant = |known: &String| rules.same_name(known, &name);
    if !rules.names().shown_names {
        return Ok(outputs.iter().position(|output| output.alias.as_ref().is_some_and(is_meant)));
    }
    let meant: Vec<usize> = (0..outputs.len())
        .filter(|at| outputs.get(*at).is_some_and(|one| one.name.as_ref().is_none_or(is_meant)))
        .collect();
    match meant.as_slice() {
        [] => Ok(None),
        [only] if outputs.get(*only).is_some_and(|output| output.name.is_some()) => Ok(Some(*only)),
        _ => Err(Blocked::gather("a name that several columns of the answer may have")),
    }
}

/// Whether an alias stands anywhere in an expression where no column has that name.
pub(in super::super) fn has_unresolved(expr: &Expr, scope: &Scope) -> bool {
    sqlparser::ast::visit_expressions(expr, |part| match part {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) if scope.column(part).is_none() => {
            std::ops::ControlFlow::Break(())
        }
        _ => std::ops::ControlFlow::Continue(()),
    })
    .is_break()
}
