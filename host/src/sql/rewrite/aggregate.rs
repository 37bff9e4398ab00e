//! Owns SELECTs with aggregates or GROUP BY: the nodes answer group keys and partial aggregates, the final statement is the
//! select list, HAVING and ORDER BY in their own words, with each aggregate and each group key replaced by its column.

use std::ops::Range;

use sqlparser::{
    ast::{Expr, GroupByExpr},
    tokenizer::Token,
};

use super::{
    super::{
        dialect::{Call, Nature, Partials as Ask},
        plan::{Blocked, FinalStage, Guard, Load, LoadColumn, Plan, Refusal},
        shape::{ColumnRef, Kind},
    },
    Work,
    argument::{checked_argument, refuse_arbitrary_sums},
    bare::{bare_within, refusal},
    direction, finds_aggregate,
    items::{Output, aliased, has_unresolved, outputs},
    ordinal,
    rows::{final_window, has_wildcard, ordered_by, term_range, visible},
};

/// One expression of GROUP BY.
struct Group {
    expr: Expr,
    column: Option<ColumnRef>,
    text: String,
    /// How the final statement reads it.
    read: String,
    collation: String,
}

/// A column that the nodes are asked for besides the group keys.
struct Asked {
    text: String,
    name: String,
    collation: String,
}

/// What the nodes are asked for, gathered up while the final statement is written.
struct Partials<'a> {
    work: &'a Work<'a>,
    outputs: &'a [Output],
    groups: Vec<Group>,
    /// The partial aggregates.
    sums: Vec<Asked>,
    /// The arguments of DISTINCT aggregates: the nodes group by them, too.
    distinct: Vec<Asked>,
    guards: Vec<Guard>,
    /// The collation of the partial aggregate that is being combined.
    collation: String,
}

/// Plans an aggregated SELECT.
pub(super) fn plan(work: &Work<'_>) -> Result<Plan, Blocked> {
    let task = work.task;
    if has_wildcard(work) {
        return Err(Blocked::gather("a wildcard in an aggregated SELECT"));
    }
    if work.select.selection.as_ref().is_some_and(|filter| has_unresolved(filter, &work.sources.scope)) {
        return Err(Blocked::gather("a name that is no column"));
    }
    refuse_arbitrary_sums(work)?;
    let outputs = outputs(task, work.select, &work.clauses, &work.sources.scope)?;
    let groups = groups(work, &outputs)?;
    let (sums, distinct, guards) = (Vec::new(), Vec::new(), Vec::new());
    let collation = task.rules.plain_collation();
    let mut partials = Partials { work, outputs: &outputs, groups, sums, distinct, guards, collation };
    let sql = partials.final_statement()?;
    let (items, after) = partials.node_items()?;
    let node = work.node(&items, after);
    let stage = FinalStage::Sql { loads: vec![partials.load()], guards: partials.guards, sql };
    task.merged(&node, stage)
}

/// The expressions of GROUP BY, ordinals and aliases resolved: a column goes before an alias.
fn groups(work: &Work<'_>, outputs: &[Output]) -> Result<Vec<Group>, Blocked> {
    let GroupByExpr::Expressions(list, _) = &work.select.group_by else { return Err(Blocked::gather("GROUP BY ALL")) };
    let (scope, parsed, rules) = (&work.sources.scope, work.task.parsed, work.rules());
    let mut groups: Vec<Group> = Vec::new();
    for (expr, range) in list.iter().zip(&work.clauses.group) {
        if matches!(expr, Expr::Rollup(_) | Expr::Cube(_) | Expr::GroupingSets(_)) {
            return Err(Blocked::gather("grouping sets"));
        }
        let named = match ordinal(expr)? {
            Some(number) => Some(number.checked_sub(1).and_then(|place| outputs.get(place)).ok_or_else(|| {
                Blocked::Refuse(Refusal::new(format!("GROUP BY {number}"), "there is no such column"))
            })?),
            None if scope.column(expr).is_none() => aliased(outputs, expr, rules)?.and_then(|place| outputs.get(place)),
            None => None,
        };
        let (expr, range) = match named {
            Some(Output { expr, range: Some(range), .. }) => (expr, range),
            Some(_) => return Err(Blocked::gather("GROUP BY of a wildcard's column")),
            None => (expr, range),
        };
        if finds_aggregate(expr, rules) || has_unresolved(expr, scope) {
            return Err(Blocked::gather("GROUP BY of an alias or an aggregate"));
        }
        if !scope.has_one_spelling(expr) {
            let why = "equal values may be written differently, which one is shown would be arbitrary";
            return Err(Blocked::Refuse(Refusal::new(format!("GROUP BY {}", parsed.slice(range)), why)));
        }
        if rules.types_values() && matches!(expr, Expr::Cast { .. }) {
            return Err(Blocked::gather("GROUP BY of a CAST, whose affinity a loaded column has not"));
        }
        let (kind, collation) = ordered_by(expr, scope)?;
        let column = scope.column(expr);
        let read = rules.read_group(&format!("{}g{}", work.task.prefix(), groups.len()), column.is_some());
        let collation = rules.loaded_collation(kind, &collation);
        groups.push(Group { expr: expr.clone(), column, text: parsed.slice(range).to_owned(), read, collation });
    }
    Ok(groups)
}

impl Partials<'_> {
    fn final_statement(&mut self) -> Result<String, Blocked> {
        let (work, rules) = (self.work, self.work.rules());
        let mut items = Vec::new();
        for output in self.outputs {
            let range = output.range.clone().ok_or_else(|| Blocked::gather("a wildcard"))?;
            items.push(format!("{} AS {}", self.lift(&range, false)?, work.task.quote(output.shown()?)));
        }
        let prefix = work.task.prefix();
        let distinct = if work.select.distinct.is_some() { "DISTINCT " } else { "" };
        let mut sql = format!("SELECT {distinct}{}\nFROM {prefix}rows", items.join(",\n"));
        if !self.groups.is_empty() {
            let names: Vec<String> = (0..self.groups.len()).map(|index| format!("{prefix}g{index}")).collect();
            sql.push_str(&format!("\nGROUP BY {}", names.join(", ")));
        }
        let has_aliases = rules.names().aliases_within;
        if work.select.having.is_some() {
            let range = work.clauses.having.clone();
            sql.push_str(&format!("\nHAVING {}", self.lift(&range, has_aliases)?));
        }
        let mut terms = Vec::new();
        for (index, term) in work.order.iter().enumerate() {
            let text = match visible(&term.expr, self.outputs, rules)? {
                Some(place) => (place + 1).to_string(),
                None if work.select.distinct.is_some() => {
                    return Err(Blocked::gather("DISTINCT sorted by something else"));
                }
                None => {
                    let range = term_range(work, index, term).ok_or_else(|| Blocked::gather("an unusual sort term"))?;
                    self.lift(&range, has_aliases)?
                }
            };
            terms.push(format!("{text} {}", direction(term, rules)?));
        }
        if !terms.is_empty() {
            sql.push_str(&format!("\nORDER BY {}", terms.join(", ")));
        }
        final_window(&mut sql, work.window, rules);
        Ok(sql)
    }

    /// The text of some tokens with aggregates and group keys replaced. Everything else stays as it was written, so that the
    /// engine reads it by its own precedence.
    fn lift(&mut self, range: &Range<usize>, aliases: bool) -> Result<String, Blocked> {
        let (parsed, scope) = (self.work.task.parsed, &self.work.sources.scope);
        if let Some(expr) = parsed.expression(range)
            && let Some(group) = self.groups.iter().find(|group| group.matches(&expr, scope.column(&expr)))
        {
            return Ok(group.read.clone());
        }
        let columns: Vec<ColumnRef> = self.groups.iter().filter_map(|group| group.column).collect();
        let grouped: Vec<Expr> = self.groups.iter().map(|group| group.expr.clone()).collect();
        let expr = parsed
            .expression(range)
            .ok_or_else(|| Blocked::gather("an expression that could not be cut for certain"))?;
        if let Some(name) = bare_within(&expr, scope, &columns, grouped) {
            return Err(Blocked::Refuse(refusal(&name)));
        }
        let mut text = String::new();
        let mut at = range.start;
        let mut end_before = None;
        while at < range.end {
            let Some(piece) = parsed.pieces.get(at) else { break };
            if let Some(end) = end_before {
                text.push_str(parsed.text.get(end..piece.start).unwrap_or(" "));
            }
            let next = if let Some(end) = self.aggregate_end(at) {
                text.push_str(&self.combine(&(at..end))?);
                end
            } else if let Some(end) = self.column_end(at) {
                text.push_str(&self.lift_column(&(at..end), aliases)?);
                end
            } else {
                text.push_str(parsed.text.get(piece.start..piece.end).unwrap_or_default());
                at + 1
            };
            end_before = next.checked_sub(1).and_then(|last| parsed.pieces.get(last)).map(|last| last.end);
            at = next;
        }
        // Each piece is a whole expression or a token of the text, so this can only fail where the cut was wrong.
        Ok(text)
    }

    /// One past the aggregate that begins at a token.
    fn aggregate_end(&self, at: usize) -> Option<usize> {
        let parsed = self.work.task.parsed;
        let rules = self.work.rules();
        let is_call =
            parsed.word(at).is_some_and(|word| rules.is_aggregate_name(word)) && parsed.at(at + 1, &Token::LParen);
        let after_dot = at.checked_sub(1).is_some_and(|before| parsed.at(before, &Token::Period));
        if !is_call || after_dot {
            return None;
        }
        let mut end = parsed.closing(at + 1)?;
        let is_filter = parsed.word(end).is_some_and(|word| word.eq_ignore_ascii_case("filter"));
        if is_filter && parsed.at(end + 1, &Token::LParen) {
            end = parsed.closing(end + 1)?;
        }
        let Some(Expr::Function(function)) = parsed.expression(&(at..end)) else { return None };
        (rules.nature(&function) == Nature::Aggregate).then_some(end)
    }

    /// One past the column name that begins at a token.
    fn column_end(&self, at: usize) -> Option<usize> {
        let parsed = self.work.task.parsed;
        parsed.word(at)?;
        let mut end = at + 1;
        while parsed.at(end, &Token::Period) && parsed.word(end + 1).is_some() {
            end += 2;
        }
        if parsed.at(end, &Token::LParen) {
            return None;
        }
        let is_name = self.work.task.parsed.names().contains(&at);
        is_name.then_some(end)
    }

    fn lift_column(&mut self, range: &Range<usize>, aliases: bool) -> Result<String, Blocked> {
        let parsed = self.work.task.parsed;
        let scope = &self.work.sources.scope;
        let expr = parsed.expression(range).ok_or_else(|| Blocked::gather("an unusual name"))?;
        let Some(column) = scope.column(&expr) else {
            let place = if aliases { aliased(self.outputs, &expr, self.work.rules())? } else { None };
            let output = place.and_then(|place| self.outputs.get(place));
            let range = output.and_then(|output| output.range.clone());
            let range = range.ok_or_else(|| Blocked::gather("a name that is no column"))?;
            return Ok(format!("({})", self.lift(&range, false)?));
        };
        if let Some(group) = self.groups.iter().find(|group| group.column == Some(column)) {
            return Ok(group.read.clone());
        }
        Err(Blocked::gather("a part of an expression of GROUP BY"))
    }

    /// The final text of an aggregate; its parts are asked of the nodes.
    fn combine(&mut self, range: &Range<usize>) -> Result<String, Blocked> {
        let (parsed, rules, scope) = (self.work.task.parsed, self.work.rules(), &self.work.sources.scope);
        let unusual = || Blocked::gather("an unusual aggregate");
        let Some(Expr::Function(function)) = parsed.expression(range) else { return Err(unusual()) };
        let name = parsed.word(range.start).unwrap_or_default().to_ascii_lowercase();
        let (is_distinct, argument) = checked_argument(&function, scope)?;
        let kind = argument.as_ref().map_or(Kind::Null, |argument| scope.kind(argument));
        let close = parsed.closing(range.start + 1).ok_or_else(unusual)?;
        let first = range.start + 2 + usize::from(is_distinct);
        let inner = first..close.saturating_sub(1);
        if argument.as_ref().is_some_and(|argument| !parsed.is(&inner, argument)) {
            return Err(unusual());
        }
        let picks = matches!(name.as_str(), "min" | "max");
        if is_distinct && !picks {
            let argument = argument.ok_or_else(unusual)?;
            if !scope.is_bytewise(&argument) {
                return Err(Blocked::gather("a DISTINCT aggregate under a collation"));
            }
            let column = self.distinct_argument(parsed.slice(&inner).to_owned());
            return rules.combine_distinct(&name, kind, &column, self);
        }
        let text = parsed.slice(range);
        if picks {
            let one = argument.as_ref().filter(|argument| scope.has_one_spelling(argument)).ok_or_else(|| {
                let why = "equal values may be written differently, which one is the answer would be arbitrary";
                Blocked::Refuse(Refusal::new(text, why))
            })?;
            let (kind, collation) = ordered_by(one, scope)?;
            self.collation = rules.loaded_collation(kind, &collation);
        }
        let filter = parsed.slice(&(close..range.end));
        let call = Call { name: &name, text, argument: parsed.slice(&inner), filter, kind };
        let combined = rules.combine(&call, self);
        self.collation = rules.plain_collation();
        combined
    }

    fn distinct_argument(&mut self, text: String) -> String {
        let name = format!("{}d{}", self.work.task.prefix(), self.distinct.len());
        let collation = self.work.rules().plain_collation();
        asked(&mut self.distinct, Asked { text, name, collation })
    }

    /// The select list of the nodes' statement, and what comes after WHERE.
    fn node_items(&self) -> Result<(String, String), Blocked> {
        let prefix = self.work.task.prefix();
        let groups = self.groups.iter().enumerate();
        let groups = groups.map(|(index, group)| (group.text.as_str(), format!("{prefix}g{index}")));
        let column = |asked: &'_ Asked| (asked.text.clone(), asked.name.clone());
        let mut items: Vec<String> = groups.map(|(text, name)| format!("({text}\n) AS {name}")).collect();
        items.extend(self.distinct.iter().map(column).map(|(text, name)| format!("({text}\n) AS {name}")));
        let keys: Vec<String> = (1..=items.len()).map(|place| place.to_string()).collect();
        items.extend(self.sums.iter().map(column).map(|(text, name)| format!("({text}\n) AS {name}")));
        // A constant select list with HAVING alone asks for nothing: gather, it is too odd to be worth more.
        if items.is_empty() {
            return Err(Blocked::gather("an aggregated SELECT without aggregates"));
        }
        let after = if keys.is_empty() { String::new() } else { format!("GROUP BY {}", keys.join(", ")) };
        Ok((format!("SELECT {}", items.join(",\n")), after))
    }

    fn load(&self) -> Load {
        let (work, prefix) = (self.work, self.work.task.prefix());
        let groups = self.groups.iter().enumerate().map(|(index, group)| LoadColumn {
            name: format!("{prefix}g{index}"),
            declared: group
                .column
                .and_then(|column| work.sources.scope.shape(column))
                .map_or_else(String::new, |shape| work.rules().group_declared(shape)),
            collation: group.collation.clone(),
        });
        let rest = self.distinct.iter().chain(&self.sums).map(|asked| LoadColumn {
            name: asked.name.clone(),
            declared: String::new(),
            collation: asked.collation.clone(),
        });
        Load { name: format!("{prefix}rows"), columns: groups.chain(rest).collect() }
    }
}

impl Ask for Partials<'_> {
    fn ask(&mut self, aggregate: String) -> String {
        let name = format!("{}p{}", self.work.task.prefix(), self.sums.len());
        asked(&mut self.sums, Asked { text: aggregate, name, collation: self.collation.clone() })
    }

    fn guard(&mut self, condition: String) {
        let sql = format!("SELECT 1 FROM {}rows WHERE {condition} LIMIT 1", self.work.task.prefix());
        if self.guards.iter().all(|guard| guard.sql != sql) {
            self.guards.push(Guard { sql, construct: "a sum of values that are not integers".to_owned() });
        }
    }
}

/// The name of a column, asked for once.
fn asked(list: &mut Vec<Asked>, new: Asked) -> String {
    if let Some(known) = list.iter().find(|known| known.text == new.text) {
        return known.name.clone();
    }
    let name = new.name.clone();
    list.push(new);
    name
}

impl Group {
    fn matches(&self, expr: &Expr, column: Option<ColumnRef>) -> bool {
        self.expr == *expr || (column.is_some() && column == self.column)
    }
}
