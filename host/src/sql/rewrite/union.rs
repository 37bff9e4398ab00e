//! Owns UNION and UNION ALL whose parts can each be answered by shard: the whole union is asked of every shard, then put together.

use sqlparser::ast::{Distinct, Expr, GroupByExpr, Query, Select, SelectItem, SetExpr, SetOperator, SetQuantifier};

use super::{
    super::{
        dialect::SortBy,
        plan::{Blocked, FinalStage, KeyColumn, NodeText, Plan, Refusal, Task},
        shape::{Kind, Scope},
    },
    clauses::Clauses,
    direction, finds_aggregate, from,
    items::has_unresolved,
    order, ordinal,
    rows::{distinct_sql, merge_key, ordered_by, push_window},
    window,
};

/// A column of one part.
struct Part {
    kind: Kind,
    is_bytewise: bool,
    /// What orders it, where that is certain.
    collation: Option<String>,
    name: Option<String>,
}

/// Whether the statement is a set operation.
pub(in super::super) fn is_union(query: &Query) -> bool {
    matches!(&*query.body, SetExpr::SetOperation { .. })
}

/// Plans a union of parts that are plain SELECTs over partitioned tables.
pub(in super::super) fn union(task: &Task<'_>, spread: usize) -> Result<Plan, Blocked> {
    if task.survey.queries > 1 {
        return Err(Blocked::gather("subqueries"));
    }
    let mut parts = Vec::new();
    let is_all = flatten(&task.query.body, None, &mut parts)?;
    let mut columns: Vec<Vec<Part>> = Vec::new();
    let mut met = 0;
    for part in parts {
        super::plain(part)?;
        let grouped = !matches!(&part.group_by, GroupByExpr::Expressions(list, _) if list.is_empty());
        let odd = matches!(part.distinct, Some(Distinct::On(_))) || (is_all && part.distinct.is_some());
        if grouped
            || part.having.is_some()
            || odd
            || part.projection.iter().any(|item| finds_aggregate(item, task.rules))
        {
            return Err(Blocked::gather("a union of parts that are aggregated or distinct"));
        }
        let sources = from::of_select(task, part, met)?;
        met += sources.spread;
        if part.selection.as_ref().is_some_and(|filter| has_unresolved(filter, &sources.scope)) {
            return Err(Blocked::gather("a name that is no column"));
        }
        columns.push(part_columns(part, &sources.scope)?);
    }
    if met != spread {
        return Err(Blocked::gather("subqueries"));
    }
    finish(task, is_all, &columns)
}

/// The parts of a chain of one and the same union; whether it keeps duplicates.
fn flatten<'a>(body: &'a SetExpr, wanted: Option<bool>, parts: &mut Vec<&'a Select>) -> Result<bool, Blocked> {
    match body {
        SetExpr::SetOperation { left, op: SetOperator::Union, set_quantifier, right } => {
            let is_all = match set_quantifier {
                SetQuantifier::All => true,
                SetQuantifier::None | SetQuantifier::Distinct => false,
                _ => return Err(Blocked::gather("UNION BY NAME")),
            };
            if wanted.is_some_and(|wanted| wanted != is_all) {
                return Err(Blocked::gather("UNION mixed with UNION ALL"));
            }
            flatten(left, Some(is_all), parts)?;
            flatten(right, Some(is_all), parts)?;
            Ok(is_all)
        }
        SetExpr::Select(select) => {
            parts.push(select);
            Ok(wanted.unwrap_or(true))
        }
        _ => Err(Blocked::gather("a set operation other than UNION")),
    }
}

/// What each column of a part is.
fn part_columns(part: &Select, scope: &Scope) -> Result<Vec<Part>, Blocked> {
    let mut columns = Vec::new();
    for item in &part.projection {
        let (expr, name) = match item {
            SelectItem::UnnamedExpr(expr) => {
                let shape = scope.shape_of(expr);
                // Where an expression is named by its text, only the node knows it for certain.
                let named = || scope.rules.shown_name(expr, "").filter(|name| !name.is_empty());
                (expr, shape.map(|shape| shape.name.clone()).or_else(named))
            }
            SelectItem::ExprWithAlias { expr, alias } => (expr, Some(scope.rules.fold(alias))),
            _ => return Err(Blocked::gather("a union of wildcards")),
        };
        let collation = ordered_by(expr, scope).ok().map(|(_, collation)| collation);
        columns.push(Part { kind: scope.kind(expr), is_bytewise: scope.is_bytewise(expr), collation, name });
    }
    Ok(columns)
}

fn finish(task: &Task<'_>, is_all: bool, columns: &[Vec<Part>]) -> Result<Plan, Blocked> {
    let first = columns.first().ok_or_else(|| Blocked::gather("an empty union"))?;
    if columns.iter().any(|part| part.len() != first.len()) {
        return Err(Blocked::gather("parts of different width"));
    }
    let window = window(task)?;
    let clauses =
        Clauses::cut(task.parsed).ok_or_else(|| Blocked::gather("a text that could not be cut for certain"))?;
    let terms = order(task.query)?;
    let mut places = Vec::new();
    let mut written = Vec::new();
    for term in &terms {
        let place = place(task, &term.expr, first)?;
        places.push(place);
        written.push(format!("{} {}", place + 1, direction(term, task.rules)?));
        is_native(task, columns, place)?;
    }
    let mut sql = task.parsed.slice(&clauses.body).to_owned();
    if !is_all {
        let mut names = Vec::new();
        for (index, part) in first.iter().enumerate() {
            distinct_kind(task, columns, index)?;
            let name = part.name.clone().ok_or_else(|| Blocked::gather("a column whose name only the server knows"))?;
            let (kind, collation) = (part.kind, part.collation.clone());
            names.push((
                name,
                task.rules.loaded_collation(kind, &collation.unwrap_or_else(|| task.rules.plain_collation())),
            ));
        }
        return task.merged(&NodeText::fixed(sql), distinct_sql(task, &names, &written, window));
    }
    let keys: Vec<_> = places
        .iter()
        .zip(&terms)
        .map(|(place, term)| merge_key(KeyColumn::Visible(*place), term, task.rules))
        .collect();
    if !keys.is_empty() {
        sql.push_str(&format!("\nORDER BY {}", written.join(", ")));
    }
    push_window(&mut sql, window);
    let stage =
        if keys.is_empty() { FinalStage::Concat(window) } else { FinalStage::Merge { keys, hidden: 0, window } };
    task.merged(&NodeText::fixed(sql), stage)
}

/// Each part must be ordered by the host the same way, or the union is ordered by rules that are not certain here.
fn is_native(task: &Task<'_>, columns: &[Vec<Part>], place: usize) -> Result<(), Blocked> {
    let unsure = || Blocked::gather("a union sorted by a collation or by values of different types");
    let mut so_far: Option<Kind> = None;
    for part in columns.iter().filter_map(|part| part.get(place)) {
        let collation = part.collation.as_deref().ok_or_else(unsure)?;
        let is_native = part.is_bytewise && task.rules.sort_by(part.kind, collation) == SortBy::Native;
        let is_one =
            task.rules.types_values() || part.kind == Kind::Null || so_far.is_none_or(|kind| kind == part.kind);
        if !is_native || !is_one {
            return Err(unsure());
        }
        so_far = so_far.or((part.kind != Kind::Null).then_some(part.kind));
    }
    Ok(())
}

/// All parts must write equal values the same way, or which of them is shown would be arbitrary.
fn distinct_kind(task: &Task<'_>, columns: &[Vec<Part>], index: usize) -> Result<(), Blocked> {
    let mut so_far = Kind::Null;
    if task.rules.unifies_types() {
        let is_any = columns.iter().filter_map(|part| part.get(index)).any(|part| part.kind == Kind::Any);
        return if is_any { Err(Blocked::gather("a union of a type that is not certain")) } else { Ok(()) };
    }
    for part in columns.iter().filter_map(|part| part.get(index)) {
        // Where values have types, text next to a number is no number written differently.
        let is_text = task.rules.types_values() && (part.kind == Kind::Text || so_far == Kind::Text);
        let is_scaled = !task.rules.types_values() && part.kind == Kind::Numeric && so_far == Kind::Numeric;
        let differs = so_far != Kind::Null && part.kind != Kind::Null && so_far != part.kind && !is_text;
        if !task.rules.has_one_spelling(part.kind) || !part.is_bytewise || differs || is_scaled {
            let why = "equal values may be written differently, which one is shown would be arbitrary";
            let name = part.name.clone().unwrap_or_else(|| (index + 1).to_string());
            return Err(Blocked::Refuse(Refusal::new(format!("UNION of {name}"), why)));
        }
        if so_far == Kind::Null || so_far == Kind::Text {
            so_far = part.kind;
        }
    }
    Ok(())
}

/// The column that a term of the union's ORDER BY names.
fn place(task: &Task<'_>, expr: &Expr, first: &[Part]) -> Result<usize, Blocked> {
    let unsure = || Blocked::gather("a union sorted by an expression");
    match ordinal(expr)? {
        Some(number) => number.checked_sub(1).filter(|place| *place < first.len()).ok_or_else(unsure),
        None => match expr {
            Expr::Identifier(name) => {
                let name = task.rules.fold(name);
                // A name that only the server knows may be this one, where such names count.
                let unknown = task.rules.names().shown_names;
                let is_meant =
                    |part: &Part| part.name.as_ref().map_or(unknown, |known| task.rules.same_name(known, &name));
                let mut meant = first.iter().enumerate().filter(|(_, part)| is_meant(part));
                // Of several that have the name, the dialects do not agree which one is meant.
                meant.next().map(|(place, _)| place).filter(|_| meant.next().is_none()).ok_or_else(unsure)
            }
            _ => Err(unsure()),
        },
    }
}
