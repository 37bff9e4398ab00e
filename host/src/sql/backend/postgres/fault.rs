//! Owns what an error of the driver means to the entry.

use std::error::Error as _;
use std::time::Instant;

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

use crate::sql::backend::{Fault, FaultKind};

/// SQLSTATEs of transactions that were in each other's way: serialization, deadlock, a lock that is not to be had.
const CONFLICTS: [&str; 3] = ["40001", "40P01", "55P03"];

/// A connection could not be made.
pub(super) fn connecting(node: &str, error: &Error) -> Fault {
    Fault::new(FaultKind::Connect, format!("{node}: {}", said(error)))
}

/// A statement was not done.
pub(super) fn statement(error: &Error, due: Instant) -> Fault {
    let Some(server) = error.as_db_error() else {
        return Fault::new(FaultKind::Lost, said(error));
    };
    let kind = match ends_connection(server) {
        true => FaultKind::Lost,
        false => kind(server.code(), server.routine(), Instant::now() >= due),
    };
    Fault::new(kind, message(server))
}

fn kind(code: &SqlState, routine: Option<&str>, is_late: bool) -> FaultKind {
    match code {
        code if *code == SqlState::NUMERIC_VALUE_OUT_OF_RANGE => FaultKind::Overflow,
        code if *code == SqlState::QUERY_CANCELED && is_late => FaultKind::TimedOut,
        // Somebody has stopped it; that is no word on the statement.
        code if *code == SqlState::QUERY_CANCELED => FaultKind::Conflict,
        // A change of the tables was in its way: prepared anew it is done.
        code if is_old(code, routine) => FaultKind::Conflict,
        code if CONFLICTS.contains(&code.code()) => FaultKind::Conflict,
        code if is_servers(code.code()) => FaultKind::Failed,
        _ => FaultKind::Statement,
    }
}

/// Whether a prepared statement has to be prepared anew: its tables have changed, or the server has forgotten it.
pub(super) fn is_stale(error: &Error) -> bool {
    error.as_db_error().is_some_and(|server| is_old(server.code(), server.routine()))
}

fn is_old(code: &SqlState, routine: Option<&str>) -> bool {
    *code == SqlState::INVALID_SQL_STATEMENT_NAME
        || (*code == SqlState::FEATURE_NOT_SUPPORTED && routine == Some("RevalidateCachedQuery"))
}

/// Whether an SQLSTATE is of a class (the server's manual, appendix A) in which the server is the cause and not the statement:
/// resources, its shutting down, its system, its own faults.
fn is_servers(code: &str) -> bool {
    ["53", "57P", "58", "XX"].iter().any(|class| code.starts_with(class))
}

fn ends_connection(server: &DbError) -> bool {
    let severity = server.parsed_severity();
    matches!(severity, Some(tokio_postgres::error::Severity::Fatal | tokio_postgres::error::Severity::Panic))
}

fn message(server: &DbError) -> String {
    let mut text = format!("{} (SQLSTATE {})", server.message(), server.code().code());
    if let Some(detail) = server.detail() {
        text.push_str(": ");
        text.push_str(detail);
    }
    text.replace(['\n', '\r'], " ")
}

fn said(error: &Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(server), _) => message(server),
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_lacks_is_not_the_statements_fault() {
        for code in ["53100", "53200", "53300", "57P01", "57P03", "58030", "58P01", "XX000", "XX001"] {
            assert!(is_servers(code), "{code}");
        }
        for code in ["57014", "42P01", "23505", "40001", "22003", "55P03", "54001", "25006"] {
            assert!(!is_servers(code), "{code}");
        }
    }

    #[test]
    fn what_goes_well_when_it_is_sent_again_is_no_word_on_the_statement() {
        let of = |code: &SqlState, routine| kind(code, routine, false);
        assert_eq!(of(&SqlState::FEATURE_NOT_SUPPORTED, Some("RevalidateCachedQuery")), FaultKind::Conflict);
        assert_eq!(of(&SqlState::FEATURE_NOT_SUPPORTED, Some("transformStmt")), FaultKind::Statement);
        assert_eq!(of(&SqlState::INVALID_SQL_STATEMENT_NAME, None), FaultKind::Conflict);
        assert_eq!(of(&SqlState::QUERY_CANCELED, None), FaultKind::Conflict);
        assert_eq!(kind(&SqlState::QUERY_CANCELED, None, true), FaultKind::TimedOut);
        assert_eq!(of(&SqlState::T_R_DEADLOCK_DETECTED, None), FaultKind::Conflict);
        assert_eq!(of(&SqlState::UNIQUE_VIOLATION, None), FaultKind::Statement);
    }
}
