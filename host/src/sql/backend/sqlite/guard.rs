//! Owns what a statement that came from outside may not do on a connection that others use after it: reach other files,
//! change settings, begin or end transactions, leave temporary tables. SQLite asks while it reads the statement, so that no
//! spelling gets round it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

/// Settings that may be asked for: they change nothing, and SQLite's own full-text search asks for some; or they end with the
/// transaction (`defer_foreign_keys`).
const HARMLESS: &[&str] = &[
    "data_version",
    "defer_foreign_keys",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// The guard of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Guard(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Whether the statement is one of our own.
    is_own: AtomicBool,
    /// What was refused last.
    refused: Mutex<Option<String>>,
}

impl Guard {
    /// Has the connection ask.
    pub(super) fn stand(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let inner = Arc::clone(&self.0);
        connection.authorizer(Some(move |asked: AuthContext<'_>| {
            if inner.is_own.load(Ordering::Relaxed) {
                return Authorization::Allow;
            }
            match forbidden(&asked) {
                Some(what) => {
                    *inner.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
                    Authorization::Deny
                }
                None => Authorization::Allow,
            }
        }))
    }

    /// Lets statements of our own pass while `run` does.
    pub(super) fn own<T>(&self, run: impl FnOnce() -> T) -> T {
        self.0.is_own.store(true, Ordering::Relaxed);
        let done = run();
        self.0.is_own.store(false, Ordering::Relaxed);
        done
    }

    /// What was refused since the last call.
    pub(super) fn refused(&self) -> Option<String> {
        self.0.refused.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What is not allowed about an action, in the words of a statement.
fn forbidden(asked: &AuthContext<'_>) -> Option<String> {
    let what = match asked.action {
        AuthAction::Attach { .. } => "ATTACH or VACUUM",
        AuthAction::Detach { .. } => "DETACH",
        AuthAction::Pragma { pragma_name, .. } if !HARMLESS.contains(&pragma_name.to_ascii_lowercase().as_str()) => {
            return Some(format!("PRAGMA {pragma_name}"));
        }
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
            "a statement that begins or ends a transaction"
        }
        AuthAction::CreateTempTable { .. }
        | AuthAction::CreateTempIndex { .. }
        | AuthAction::CreateTempTrigger { .. }
        | AuthAction::CreateTempView { .. } => "CREATE TEMPORARY",
        AuthAction::DropTempTable { .. }
        | AuthAction::DropTempIndex { .. }
        | AuthAction::DropTempTrigger { .. }
        | AuthAction::DropTempView { .. } => "DROP of a temporary table",
        // By its schema instead of the word.
        AuthAction::CreateTable { .. }
        | AuthAction::CreateIndex { .. }
        | AuthAction::CreateTrigger { .. }
        | AuthAction::CreateView { .. }
        | AuthAction::CreateVtable { .. }
            if asked.database_name == Some("temp") =>
        {
            "CREATE TEMPORARY"
        }
        AuthAction::Function { function_name } if function_name.eq_ignore_ascii_case("load_extension") => {
            "load_extension()"
        }
        AuthAction::Unknown { .. } => "what it does",
        _ => return None,
    };
    Some(what.to_owned())
}
