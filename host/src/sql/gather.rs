//! Owns the last tier: the tables that a statement reads are loaded into one engine, and the statement itself runs there.
//!
//! What is loaded: only columns whose names occur in the statement (all, where there is a wildcard), and only rows that a predicate
//! of the outermost WHERE can be true for, where that predicate is about one table that is mentioned once and never outer-joined.

use std::collections::BTreeSet;

use sqlparser::{
    ast::{BinaryOperator, Expr, JoinOperator, Select, SetExpr, visit_expressions},
    keywords::Keyword,
    tokenizer::Token,
};

use super::{
    parse::Parsed,
    plan::{
        FinalStage, Load, LoadColumn, NodeStatement, Plan, Refusal, Task, Tier, repeats_parameter, skips_parameter,
    },
    rewrite::{clauses::Clauses, from::bound},
    route::Routing,
    shape::{ColumnShape, Scope},
    topology::Shard,
};

/// How often, on average, a token of a WHERE clause may be read while that is cut into its conjuncts; after that nothing is pushed
/// down. Twice or thrice is usual.
const READINGS: usize = 16;

/// Plans gathering; `why` says what keeps the statement from a merge.
pub(super) fn gather(task: &Task<'_>, why: &str) -> Result<Plan, Refusal> {
    let mut names: Vec<String> = Vec::new();
    for table in &task.survey.tables {
        if !names.iter().any(|known| task.rules.same_name(known, table)) {
            names.push(table.clone());
        }
    }
    let pushed = pushable(task);
    let (mut nodes, mut loads) = (Vec::new(), Vec::new());
    let mut asked = BTreeSet::new();
    for (index, table) in names.iter().enumerate() {
        let columns = needed(task, table)?;
        let push = pushed.iter().find(|push| task.rules.same_name(&push.table, table));
        let shards = shards(task, table);
        asked.extend(shards.iter().copied().filter(|shard| *shard != Shard::ANY));
        let mut sql = load_statement(task, table, &columns, push);
        if task.rules.infers_parameters() && skips_parameter(&sql) {
            sql = load_statement(task, table, &columns, None);
        }
        nodes.extend(shards.iter().map(|shard| NodeStatement { shard: *shard, load: index, sql: sql.clone() }));
        let columns = columns.into_iter().map(|shape| LoadColumn {
            collation: task.rules.loaded_collation(task.rules.column_kind(shape), &shape.collation),
            name: shape.name.clone(),
            declared: shape.declared.clone(),
        });
        loads.push(Load { name: table.clone(), columns: columns.collect() });
    }
    let last = FinalStage::Sql { loads, guards: Vec::new(), sql: task.parsed.text.clone() };
    Ok(Plan { class: task.class(asked.len()), tier: Tier::Gather, why: why.to_owned(), nodes, last })
}

/// The columns of a table that the statement can need.
fn needed<'a>(task: &Task<'a>, table: &str) -> Result<Vec<&'a ColumnShape>, Refusal> {
    let all = task.catalog.columns(table).unwrap_or_default();
    if task.survey.wants_all_columns && !all.is_empty() {
        return Ok(all.iter().collect());
    }
    let words: BTreeSet<String> =
        (0..task.parsed.pieces.len()).filter_map(|at| task.parsed.word(at)).map(str::to_ascii_lowercase).collect();
    let mut some: Vec<&ColumnShape> =
        all.iter().filter(|shape| words.contains(&shape.name.to_ascii_lowercase())).collect();
    if some.is_empty() {
        some.extend(all.first());
    }
    if some.is_empty() { Err(Refusal::new(format!("table {table}"), "its columns are not known")) } else { Ok(some) }
}

/// Predicates that can be left to the nodes.
struct Push {
    table: String,
    alias: String,
    filters: Vec<(Expr, String)>,
}

fn load_statement(task: &Task<'_>, table: &str, columns: &[&ColumnShape], push: Option<&Push>) -> String {
    let names: Vec<String> = columns.iter().map(|shape| task.quote(&shape.name)).collect();
    let mut sql = format!("SELECT {} FROM {}", names.join(", "), task.quote(table));
    if let Some(push) = push {
        sql.push_str(&format!(" AS {}", task.quote(&push.alias)));
        for (index, (_, text)) in push.filters.iter().enumerate() {
            sql.push_str(&format!("\n{} ({text}\n)", if index == 0 { "WHERE" } else { "AND" }));
        }
    }
    sql
}

/// The shards that any mention of a table needs.
fn shards(task: &Task<'_>, table: &str) -> BTreeSet<Shard> {
    let Some(partition) = task.catalog.partition(table) else { return BTreeSet::from([Shard::ANY]) };
    let mut shards = BTreeSet::new();
    for read in task.reads.tables.iter().filter(|read| read.table.eq_ignore_ascii_case(table)) {
        match &read.routing {
            Routing::Shards(these) => shards.extend(these.iter().copied()),
            Routing::Nowhere => {}
            Routing::All => return task.catalog.shards(),
        }
    }
    // Where no row can matter the table is loaded all the same, by the rows that any shard answers which has it.
    if shards.is_empty() {
        shards.extend(partition.placement.shards().first());
    }
    shards
}

/// What can be pushed down: conjuncts of a plain outermost SELECT with inner joins only.
fn pushable(task: &Task<'_>) -> Vec<Push> {
    let SetExpr::Select(select) = &*task.query.body else { return Vec::new() };
    let (Some(filter), None) = (&select.selection, &task.query.with) else { return Vec::new() };
    if task.rules.infers_parameters() && repeats_parameter(task.parsed) {
        return Vec::new();
    }
    let Some(scope) = inner_scope(task, select) else { return Vec::new() };
    let Some(clauses) = Clauses::cut(task.parsed).filter(|cut| task.parsed.is(&cut.filter, filter)) else {
        return Vec::new();
    };
    let conjuncts = conjuncts(task.parsed, clauses.filter);
    let mut pushed = Vec::new();
    for (index, bound) in scope.tables.iter().enumerate() {
        let mentions = task.survey.tables.iter().filter(|table| task.rules.same_name(table, &bound.table)).count();
        if mentions != 1 {
            continue;
        }
        let filters: Vec<(Expr, String)> =
            conjuncts.iter().filter(|(expr, _)| is_about(expr, &scope, index)).cloned().collect();
        let (table, alias) = (bound.table.clone(), bound.alias.clone());
        pushed.push(Push { table, alias, filters });
    }
    pushed
}

/// The tables of a FROM that only joins inner; derived tables make names uncertain.
fn inner_scope(task: &Task<'_>, select: &Select) -> Option<Scope> {
    let mut scope = Scope::new(task.rules);
    for from in &select.from {
        let inner = |operator: &JoinOperator| {
            matches!(operator, JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_))
        };
        if !from.joins.iter().all(|join| inner(&join.join_operator)) {
            return None;
        }
        for factor in std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)) {
            scope.tables.push(bound(task, factor, false).ok()?);
        }
    }
    Some(scope)
}

/// The conjuncts of a range of tokens, cut at its outermost ANDs; none where the cut is not certain.
fn conjuncts(parsed: &Parsed, range: std::ops::Range<usize>) -> Vec<(Expr, String)> {
    fn of_tree<'a>(expr: &'a Expr, found: &mut Vec<&'a Expr>) {
        match expr {
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                of_tree(left, found);
                of_tree(right, found);
            }
            other => found.push(other),
        }
    }
    let Some(whole) = parsed.expression(&range) else { return Vec::new() };
    let mut wanted = Vec::new();
    of_tree(&whole, &mut wanted);
    let mut cut = Vec::new();
    let mut start = range.start;
    // The AND of a BETWEEN or within a CASE is not the end of a conjunct: all before it is read in vain, but not too often.
    let (mut read, most) = (0_usize, READINGS * range.len());
    for expr in &wanted {
        // The shortest beginning that is the expression and is followed by AND or the end.
        let mut end = start;
        let found = loop {
            end = if parsed.at(end, &Token::LParen) { parsed.closing(end).unwrap_or(usize::MAX) } else { end + 1 };
            if end > range.end {
                break None;
            }
            if end < range.end && parsed.keyword(end) != Keyword::AND {
                continue;
            }
            match read.checked_add(end - start).filter(|read| *read <= most) {
                Some(so_far) => read = so_far,
                None => break None,
            }
            if parsed.is(&(start..end), expr) {
                break Some(end);
            }
        };
        let Some(end) = found else { return Vec::new() };
        cut.push(((*expr).clone(), parsed.slice(&(start..end)).to_owned()));
        start = end + 1;
    }
    cut
}

/// Whether an expression reads columns of one table only, and no subquery.
fn is_about(expr: &Expr, scope: &Scope, index: usize) -> bool {
    visit_expressions(expr, |part| match part {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_)
            if scope.column(part).is_none_or(|column| column.table != index) =>
        {
            std::ops::ControlFlow::Break(())
        }
        Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => std::ops::ControlFlow::Break(()),
        _ => std::ops::ControlFlow::Continue(()),
    })
    .is_continue()
}
