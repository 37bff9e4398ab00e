//! Owns SELECTs that answer rows as they are, and SELECT DISTINCT: concat, k-way merge, or a final sort in the dialect's engine
//! where the order is that of a collation.

use sqlparser::ast::{Expr, OrderByExpr};

use super::{
    super::{
        dialect::{Rules, SortBy},
        plan::{Blocked, FinalStage, KeyColumn, Load, LoadColumn, MergeKey, Plan, Refusal, Task, Window},
        shape::{Kind, Scope},
    },
    Work, direction, is_descending, is_wildcard,
    items::{Output, aliased, has_unresolved, outputs},
    nulls_first, ordinal,
};

/// One sort key: where it stands, and what orders it.
struct SortKey {
    column: KeyColumn,
    kind: Kind,
    collation: String,
    by: SortBy,
}

/// Columns that are asked for besides those of the answer.
#[derive(Default)]
struct Hidden {
    texts: Vec<String>,
}

impl Hidden {
    fn add(&mut self, text: String) -> KeyColumn {
        self.texts.push(text);
        KeyColumn::Hidden(self.texts.len().saturating_sub(1))
    }
}

/// Plans a SELECT whose rows are answered as they are.
pub(super) fn plan(work: &Work<'_>) -> Result<Plan, Blocked> {
    let (task, parsed) = (work.task, work.task.parsed);
    let columns = outputs(task, work.select, &work.clauses, &work.sources.scope)?;
    if work.select.selection.as_ref().is_some_and(|filter| has_unresolved(filter, &work.sources.scope)) {
        return Err(Blocked::gather("a name that is no column"));
    }
    let mut keys = Vec::new();
    for (index, term) in work.order.iter().enumerate() {
        keys.push(sort_key(work, index, term, &columns)?);
    }
    let needs_engine = keys.iter().any(|(key, _)| key.by == SortBy::Engine);
    let mut hidden = Hidden::default();
    for (key, text) in &mut keys {
        match (key.by, key.column) {
            (SortBy::Hidden(before, after), _) if !needs_engine => {
                key.column = hidden.add(format!("{before}{text}{after}"));
            }
            (_, KeyColumn::Hidden(_)) => key.column = hidden.add(text.clone()),
            (_, KeyColumn::Visible(_)) => {}
        }
    }
    let keys: Vec<SortKey> = keys.into_iter().map(|(key, _)| key).collect();
    let mut items = work.head().to_owned();
    for (index, text) in hidden.texts.iter().enumerate() {
        items.push_str(&format!(",\n({text}\n) AS {}", task.quote(&format!("{}k{index}", task.prefix()))));
    }
    let mut after = work.grouping().to_owned();
    if let (Some(first), Some(last)) = (work.clauses.order.first(), work.clauses.order.last()) {
        after.push_str(&format!("\nORDER BY {}", parsed.slice(&(first.start..last.end))));
    }
    push_window(&mut after, work.window);
    let stage = if keys.is_empty() {
        FinalStage::Concat(work.window)
    } else if needs_engine {
        sorted(work, &columns, &keys, hidden.texts.len())?
    } else {
        let keys = keys.iter().zip(&work.order).map(|(key, term)| merge_key(key.column, term, task.rules)).collect();
        FinalStage::Merge { keys, hidden: hidden.texts.len(), window: work.window }
    };
    task.merged(&work.node(&items, after), stage)
}

/// A key of the merge.
pub(super) fn merge_key(column: KeyColumn, term: &OrderByExpr, rules: &dyn Rules) -> MergeKey {
    MergeKey { column, descending: is_descending(term), nulls_first: nulls_first(term, rules) }
}

/// The limit for one node: all rows that could be among the first `limit` after `offset`.
pub(super) fn push_window(sql: &mut String, window: Window) {
    let rows =
        window.limit.and_then(|limit| limit.checked_add(window.offset)).filter(|rows| i64::try_from(*rows).is_ok());
    if let Some(rows) = rows {
        sql.push_str(&format!("\nLIMIT {rows}"));
    }
}

/// What a term sorts by, and its text.
fn sort_key(
    work: &Work<'_>,
    index: usize,
    term: &OrderByExpr,
    columns: &[Output],
) -> Result<(SortKey, String), Blocked> {
    let (scope, rules) = (&work.sources.scope, work.rules());
    let unsure = || Blocked::gather("a sort key whose order is not certain");
    let shown = |output: &Output| same_column(output, &term.expr, scope);
    let place = visible(&term.expr, columns, rules)?.or_else(|| columns.iter().position(shown));
    let (column, expr, text) = match place {
        Some(place) => {
            let output = columns.get(place).ok_or_else(unsure)?;
            let text = match &output.range {
                Some(range) => work.task.parsed.slice(range).to_owned(),
                None => output.expr.to_string(),
            };
            (KeyColumn::Visible(place), &output.expr, text)
        }
        None => {
            if has_unresolved(&term.expr, scope) || hides_alias(&term.expr, columns, rules)? {
                return Err(Blocked::gather("an alias within a sort expression"));
            }
            (KeyColumn::Hidden(0), &term.expr, term_text(work, index, term).ok_or_else(unsure)?)
        }
    };
    let (kind, collation) = ordered_by(expr, scope)?;
    let by = rules.sort_by(kind, &collation);
    Ok((SortKey { column, kind, collation, by }, text))
}

/// The kind of a sort key and the collation that orders it; where the kind does not matter to the dialect, it may be unknown.
pub(super) fn ordered_by(expr: &Expr, scope: &Scope) -> Result<(Kind, String), Blocked> {
    let unsure = || Blocked::gather("a sort key whose order is not certain");
    let kind = scope.kind(expr);
    let has_text = matches!(kind, Kind::Any | Kind::Text | Kind::Padded | Kind::Null) || scope.rules.types_values();
    if kind == Kind::Any && !scope.rules.types_values() {
        return Err(unsure());
    }
    let collation = if has_text { scope.rules.collation(expr, scope).ok_or_else(unsure)? } else { String::new() };
    Ok((kind, collation))
}

/// The text of a term without its direction, where that is the expression.
pub(super) fn term_text(work: &Work<'_>, index: usize, term: &OrderByExpr) -> Option<String> {
    term_range(work, index, term).map(|range| work.task.parsed.slice(&range).to_owned())
}

/// The tokens of a term without its direction.
pub(super) fn term_range(work: &Work<'_>, index: usize, term: &OrderByExpr) -> Option<std::ops::Range<usize>> {
    let range = work.clauses.order.get(index)?;
    // ASC or DESC is one word, NULLS FIRST or LAST two.
    let words = usize::from(term.options.sort.is_some()) + if term.options.nulls_first.is_some() { 2 } else { 0 };
    let range = range.start..range.end.checked_sub(words)?;
    work.task.parsed.is(&range, &term.expr).then_some(range)
}

/// The column of the answer that a term names, by number or alias.
pub(super) fn visible(expr: &Expr, columns: &[Output], rules: &dyn Rules) -> Result<Option<usize>, Blocked> {
    match ordinal(expr)? {
        Some(number) => match number.checked_sub(1).filter(|place| *place < columns.len()) {
            Some(place) => Ok(Some(place)),
            None => Err(Blocked::Refuse(Refusal::new(format!("ORDER BY {number}"), "there is no such column"))),
        },
        None => aliased(columns, expr, rules),
    }
}

/// Whether an alias stands in parentheses or under COLLATE, where it may still be taken for the alias.
fn hides_alias(expr: &Expr, columns: &[Output], rules: &dyn Rules) -> Result<bool, Blocked> {
    match expr {
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => {
            Ok(aliased(columns, inner, rules)?.is_some() || hides_alias(inner, columns, rules)?)
        }
        _ => Ok(false),
    }
}

/// The final sort by an engine: all columns are loaded, the keys with their collations.
fn sorted(work: &Work<'_>, columns: &[Output], keys: &[SortKey], hidden: usize) -> Result<FinalStage, Blocked> {
    let (prefix, rules) = (work.task.prefix(), work.rules());
    let name = |column: KeyColumn| match column {
        KeyColumn::Visible(place) => format!("{prefix}c{place}"),
        KeyColumn::Hidden(place) => format!("{prefix}k{place}"),
    };
    let places = (0..columns.len()).map(KeyColumn::Visible).chain((0..hidden).map(KeyColumn::Hidden));
    let loaded = places.map(|place| {
        let key = keys.iter().find(|key| key.column == place && !rules.types_values());
        let collation =
            key.map_or_else(|| rules.plain_collation(), |key| rules.loaded_collation(key.kind, &key.collation));
        LoadColumn { name: name(place), declared: String::new(), collation }
    });
    let loads = vec![Load { name: format!("{prefix}rows"), columns: loaded.collect() }];
    let mut items = Vec::new();
    for (index, output) in columns.iter().enumerate() {
        items.push(format!("{prefix}c{index} AS {}", work.task.quote(output.shown()?)));
    }
    let mut terms = Vec::new();
    for (key, term) in keys.iter().zip(&work.order) {
        let collate = if rules.types_values() { format!(" COLLATE {}", key.collation) } else { String::new() };
        terms.push(format!("{}{collate} {}", name(key.column), direction(term, rules)?));
    }
    let mut sql = format!("SELECT {}\nFROM {prefix}rows\nORDER BY {}", items.join(", "), terms.join(", "));
    final_window(&mut sql, work.window, rules);
    Ok(FinalStage::Sql { loads, guards: Vec::new(), sql })
}

/// LIMIT and OFFSET of a final statement.
pub(super) fn final_window(sql: &mut String, window: Window, rules: &dyn Rules) {
    if window.limit.is_some() || window.offset > 0 {
        sql.push_str(&format!("\n{}", rules.window(window.limit, window.offset)));
    }
}

/// Plans a SELECT DISTINCT: each node answers its distinct rows, the final statement makes them distinct again.
pub(super) fn distinct(work: &Work<'_>) -> Result<Plan, Blocked> {
    let (task, scope) = (work.task, &work.sources.scope);
    let columns = outputs(task, work.select, &work.clauses, scope)?;
    if work.select.selection.as_ref().is_some_and(|filter| has_unresolved(filter, scope)) {
        return Err(Blocked::gather("a name that is no column"));
    }
    let mut loaded = Vec::new();
    for column in &columns {
        if !scope.has_one_spelling(&column.expr) {
            let why = "equal values may be written differently, which one is shown would be arbitrary";
            let name = column.name.as_deref().unwrap_or_default();
            return Err(Blocked::Refuse(Refusal::new(format!("DISTINCT {name}").trim_end(), why)));
        }
        if scope.kind(&column.expr) == Kind::Any && !scope.rules.types_values() {
            return Err(Blocked::gather("DISTINCT of a type that is not certain"));
        }
        loaded.push((column.shown()?.to_owned(), task.rules.plain_collation()));
    }
    let mut terms = Vec::new();
    for term in &work.order {
        let same = |output: &Output| output.expr == term.expr || same_column(output, &term.expr, scope);
        let place = match visible(&term.expr, &columns, task.rules)? {
            Some(place) => place,
            None => {
                columns.iter().position(same).ok_or_else(|| Blocked::gather("DISTINCT sorted by something else"))?
            }
        };
        terms.push(format!("{} {}", place + 1, direction(term, task.rules)?));
        if let (Some(output), Some((_, collation))) = (columns.get(place), loaded.get_mut(place)) {
            let (kind, ordering) = ordered_by(&output.expr, scope)?;
            *collation = task.rules.loaded_collation(kind, &ordering);
        }
    }
    task.merged(&work.node(work.head(), String::new()), distinct_sql(task, &loaded, &terms, work.window))
}

fn same_column(output: &Output, expr: &Expr, scope: &Scope) -> bool {
    scope.column(expr).is_some_and(|column| scope.column(&output.expr) == Some(column))
}

/// The final statement that makes rows distinct; `columns` are names and collations.
pub(super) fn distinct_sql(
    task: &Task<'_>,
    columns: &[(String, String)],
    terms: &[String],
    window: Window,
) -> FinalStage {
    let prefix = task.prefix();
    let loaded = columns.iter().enumerate().map(|(index, (_, collation))| LoadColumn {
        name: format!("{prefix}c{index}"),
        declared: String::new(),
        collation: collation.clone(),
    });
    let loads = vec![Load { name: format!("{prefix}rows"), columns: loaded.collect() }];
    let named = columns.iter().enumerate();
    let items: Vec<String> =
        named.map(|(index, (name, _))| format!("{prefix}c{index} AS {}", task.quote(name))).collect();
    let mut sql = format!("SELECT DISTINCT {}\nFROM {prefix}rows", items.join(", "));
    if !terms.is_empty() {
        sql.push_str(&format!("\nORDER BY {}", terms.join(", ")));
    }
    final_window(&mut sql, window, task.rules);
    FinalStage::Sql { loads, guards: Vec::new(), sql }
}

/// Whether a select list has a wildcard.
pub(super) fn has_wildcard(work: &Work<'_>) -> bool {
    work.select.projection.iter().any(is_wildcard)
}
