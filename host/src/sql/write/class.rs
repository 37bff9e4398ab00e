//! Owns what kind of statement a text is, and refusing by name those that the entry does not carry out at all.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, ObjectName, ObjectType, Select, SetExpr, Statement, TableFactor, Visit, Visitor};

use crate::sql::parse::Parsed;
use crate::sql::plan::Refusal;

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It reads: [`crate::sql::plan::plan`].
    Read,
    /// It changes rows: [`super::plan`].
    Change,
    /// It changes tables or indexes, or empties tables: [`super::schema`].
    Schema,
}

/// What a statement does; refuses what is neither, and what asks about the session that it happens to run in.
pub fn class(parsed: &Parsed) -> Result<Class, Refusal> {
    parsed.class(|| classify(parsed))
}

fn classify(parsed: &Parsed) -> Result<Class, Refusal> {
    let rules = parsed.dialect().rules();
    if let Some(name) = calls(&parsed.statement, |name| rules.is_of_session(name)) {
        let why = "it is about the session, and the next statement in that may be another client's";
        return Err(Refusal::new(format!("{name}()"), why));
    }
    if has_into(&parsed.statement) {
        return Err(Refusal::new("SELECT INTO", "a table is made with CREATE TABLE and filled with INSERT"));
    }
    match &parsed.statement {
        Statement::Query(query) => match query.body.as_ref() {
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                Err(Refusal::new("WITH before a write", "write the query where its rows are needed"))
            }
            _ => Ok(Class::Read),
        },
        Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) => Ok(Class::Change),
        Statement::CreateTable(_)
        | Statement::AlterTable(_)
        | Statement::CreateIndex(_)
        | Statement::Truncate(_)
        | Statement::Drop { object_type: ObjectType::Table | ObjectType::Index, .. } => Ok(Class::Schema),
        other => Err(refused(parsed, other)),
    }
}

/// Whether there is a `SELECT … INTO`: of itself, in a part of a UNION, in a subquery.
fn has_into(statement: &Statement) -> bool {
    struct Search;
    impl Visitor for Search {
        type Break = ();

        fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
            if select.into.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    statement.visit(&mut Search).is_break()
}

/// The first function that is called in a part of a statement and is one of those, in lower case.
pub(super) fn calls(part: &impl Visit, is_one: impl Fn(&str) -> bool) -> Option<String> {
    struct Calls<F>(F);
    impl<F: Fn(&str) -> bool> Calls<F> {
        /// By the name without a schema, quoted or not.
        fn look(&self, name: &ObjectName) -> ControlFlow<String> {
            let last = name.0.last().and_then(|part| part.as_ident()).map(|name| name.value.to_ascii_lowercase());
            last.filter(|name| (self.0)(name)).map_or(ControlFlow::Continue(()), ControlFlow::Break)
        }
    }
    impl<F: Fn(&str) -> bool> Visitor for Calls<F> {
        type Break = String;

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
            match expr {
                Expr::Function(function) => self.look(&function.name),
                _ => ControlFlow::Continue(()),
            }
        }

        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<String> {
            match factor {
                TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => self.look(name),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    part.visit(&mut Calls(is_one)).break_value()
}

fn refused(parsed: &Parsed, statement: &Statement) -> Refusal {
    let why = match statement {
        Statement::StartTransaction { .. }
        | Statement::Commit { .. }
        | Statement::Rollback { .. }
        | Statement::Savepoint { .. }
        | Statement::ReleaseSavepoint { .. } => "every statement is a transaction of its own",
        Statement::Set(_)
        | Statement::Reset(_)
        | Statement::Use(_)
        | Statement::Pragma { .. }
        | Statement::Prepare { .. }
        | Statement::Execute { .. }
        | Statement::Deallocate { .. }
        | Statement::Discard { .. }
        | Statement::Declare { .. }
        | Statement::Fetch { .. }
        | Statement::LISTEN { .. }
        | Statement::UNLISTEN { .. } => "it is about a session, and statements have none that lasts",
        Statement::Lock(_) | Statement::LockTables { .. } | Statement::UnlockTables => {
            "locks end with the statement, which is a transaction of its own"
        }
        Statement::Copy { .. } | Statement::LoadData { .. } => "rows are written with INSERT",
        Statement::Merge(_) => "rows are written with INSERT, UPDATE and DELETE",
        Statement::Explain { .. } | Statement::ExplainTable { .. } => "ask the entry itself to explain",
        Statement::Grant(_) | Statement::Revoke(_) | Statement::CreateRole(_) | Statement::AttachDatabase { .. } => {
            "it is done at the nodes, by who runs them"
        }
        _ => "only SELECT, INSERT, UPDATE, DELETE and the making of tables and indexes are carried out",
    };
    Refusal::new(name(parsed), why)
}

/// The words that a statement begins with: two where the first alone says little.
fn name(parsed: &Parsed) -> String {
    let word = |at: usize| parsed.word(at).map(str::to_ascii_uppercase);
    let first = word(0).unwrap_or_else(|| "the statement".into());
    match (first.as_str(), word(1)) {
        ("CREATE" | "ALTER" | "DROP" | "START" | "RELEASE" | "COMMENT" | "SHOW", Some(second)) => {
            format!("{first} {second}")
        }
        _ => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::dialect::Dialect;
    use crate::sql::parse::parse;

    #[test]
    fn a_select_into_is_refused_wherever_it_stands() {
        for sql in [
            "SELECT a INTO b FROM t",
            "SELECT a INTO b FROM t UNION ALL SELECT a FROM t",
            "SELECT a FROM t UNION ALL SELECT a INTO b FROM t",
            "(SELECT a INTO b FROM t)",
            "WITH x AS (SELECT a INTO b FROM t) SELECT * FROM x",
            "SELECT * FROM (SELECT a INTO b FROM t) AS x",
            "SELECT a FROM t WHERE a IN (SELECT a INTO b FROM t)",
            "INSERT INTO t SELECT a INTO b FROM t",
        ] {
            let refusal = class(&parse(Dialect::Postgres, sql).unwrap()).unwrap_err();
            assert_eq!(refusal.construct, "SELECT INTO", "{sql}");
        }
        assert_eq!(class(&parse(Dialect::Postgres, "SELECT a FROM t").unwrap()), Ok(Class::Read));
    }
}
