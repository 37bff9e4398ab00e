//! Owns one connection: how it is made, its settings, its transaction, and getting it out of the middle of a statement. It
//! must never be handed out with an answer still on the way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use mysql_async::prelude::Queryable;
use mysql_async::{BinaryProtocol, Conn, Error, Opts, OptsBuilder, QueryResult};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::{fault, shape};
use crate::config::DatabaseSpec;
use crate::model::Address;
use crate::sql::backend::lease::{GRACE, IDLE, PATIENCE, Transaction};
use crate::sql::backend::pools::Connector;
use crate::sql::backend::{Fault, FaultKind};

/// How many statements stay prepared on a connection.
const PREPARED: usize = 256;
/// Fixed for each session, also when it is reset, so that all nodes read and write values alike. What stands in `/*M!` only
/// MariaDB reads, from the version on that is named.
const SETTINGS: &str = "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci; \
     SET SESSION sql_mode = 'STRICT_ALL_TABLES,ONLY_FULL_GROUP_BY,NO_ENGINE_SUBSTITUTION,\
     ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE', SESSION time_zone = '+00:00', SESSION autocommit = 1, \
     SESSION character_set_results = NULL, SESSION lc_time_names = 'en_US', SESSION default_week_format = 0, \
     SESSION div_precision_increment = 4, SESSION default_storage_engine = InnoDB, \
     SESSION foreign_key_checks = 1, SESSION unique_checks = 1 /*M!100804 , SESSION explicit_defaults_for_timestamp = 1 */ \
     /*M!100005 , SESSION default_regex_flags = '' */";

/// Makes connections.
pub(super) struct Dial {
    options: OptsBuilder,
}

/// A server's version, as it says it when a connection is made.
type Version = (u16, u16, u16);

/// What was asked of a server, and its version then: after another one is installed it is asked anew.
#[derive(Default)]
pub(super) struct Known(Mutex<Option<(Version, Arc<Facts>)>>);

/// What a server is.
pub(super) struct Facts {
    pub(super) is_mariadb: bool,
    /// The names of collations by their numbers.
    pub(super) collations: HashMap<u16, String>,
}

impl Dial {
    pub(super) fn new(database: &DatabaseSpec) -> Self {
        let options = OptsBuilder::default()
            .prefer_socket(false)
            .user(Some(&database.user))
            .pass(database.password.as_ref().map(|password| password.expose().to_owned()))
            .db_name(Some(&database.database))
            .stmt_cache_size(PREPARED)
            .setup(vec![SETTINGS]);
        Self { options }
    }
}

impl Known {
    async fn facts(&self, conn: &mut Conn) -> Result<Arc<Facts>, Error> {
        let now = conn.server_version();
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, facts)) = known.filter(|(version, _)| *version == now) {
            return Ok(facts);
        }
        let version: Option<String> = conn.query_first("SELECT CONVERT(VERSION() USING utf8mb4)").await?;
        let is_mariadb = version.is_some_and(|version| version.to_ascii_lowercase().contains("mariadb"));
        let collations = shape::collations(conn, is_mariadb).await?;
        let facts = Arc::new(Facts { is_mariadb, collations });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(&facts)));
        Ok(facts)
    }
}

impl Connector for Dial {
    type Link = Link;
    type Known = Known;

    async fn connect(&self, node: &Address, known: &Known) -> Result<Link, Fault> {
        let options: Opts = self.options.clone().ip_or_hostname(node.host()).tcp_port(node.port()).into();
        let connecting = |error: Error| fault::connecting(&node.to_string(), &error);
        let mut conn = Conn::new(options.clone()).await.map_err(connecting)?;
        let facts = known.facts(&mut conn).await.map_err(connecting)?;
        Ok(Link {
            id: conn.id(),
            conn: Some(conn),
            options,
            facts,
            settings: None,
            transaction: Transaction::None,
            loaded: Vec::new(),
            pretended: None,
            is_pretending: false,
            is_owned: false,
            untangling: None,
            stained: false,
            rested: Instant::now(),
        })
    }

    async fn is_sound(&self, link: &mut Link) -> bool {
        link.untangled().await.is_ok() && link.is_idle() && link.freshened().await
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Settings {
    /// The server's own time limit in milliseconds.
    limit: u64,
    read_only: bool,
}

/// A connection.
pub(super) struct Link {
    /// None where it was given up, or is being untangled.
    conn: Option<Conn>,
    id: u32,
    options: Opts,
    pub(super) facts: Arc<Facts>,
    settings: Option<Settings>,
    pub(super) transaction: Transaction,
    /// The temporary tables of the transaction.
    pub(super) loaded: Vec<String>,
    /// What else the session is to be set to, with the next statement.
    pretended: Option<String>,
    /// It was told another time than the server's.
    is_pretending: bool,
    /// The server knows it for somebody's: it is nobody else's, and no other connection does in its place.
    pub(super) is_owned: bool,
    untangling: Option<JoinHandle<Option<Conn>>>,
    /// A function has been called that may have changed the session.
    stained: bool,
    /// When it was last given back.
    pub(super) rested: Instant,
}

impl Link {
    /// Whether nothing is under way and nothing is broken, so that another may have it.
    pub(super) fn is_idle(&self) -> bool {
        let is_clean = self.transaction == Transaction::None && !self.is_pretending && !self.is_owned;
        self.conn.is_some() && is_clean && self.untangling.is_none()
    }

    /// Has the statements that follow take another moment for the time.
    pub(super) fn pretend(&mut self, moment: i64) {
        let (seconds, rest) = (moment.div_euclid(1_000_000), moment.rem_euclid(1_000_000));
        self.pretended = Some(format!("SESSION timestamp = {seconds}.{rest:06}"));
        self.is_pretending = true;
    }

    /// A function is called that may change the session.
    pub(super) fn stain(&mut self) {
        self.stained = true;
    }

    /// Makes it as good as new, and sees that it lives, where either may not be so; whether it is.
    async fn freshened(&mut self) -> bool {
        let Some(conn) = &mut self.conn else { return false };
        if !self.stained {
            return self.rested.elapsed() <= IDLE || conn.ping().await.is_ok();
        }
        // Servers that are too old for it say so, and then another connection has to do.
        let is_clean = matches!(conn.reset().await, Ok(true));
        self.stained = !is_clean;
        self.settings = None;
        is_clean
    }

    pub(super) fn conn(&mut self) -> Result<&mut Conn, Fault> {
        self.conn.as_mut().ok_or_else(|| Fault::lost("the connection is closed"))
    }

    /// Waits until nothing is under way.
    pub(super) async fn ready(&mut self, due: Instant) -> Result<(), Fault> {
        if Instant::now() >= due {
            return Err(Fault::late());
        }
        if self.untangling.is_some() {
            tokio::time::timeout_at(due.into(), self.untangled()).await.map_err(|_| Fault::late())??;
        }
        self.conn().map(drop)
    }

    async fn untangled(&mut self) -> Result<(), Fault> {
        let Some(task) = &mut self.untangling else { return Ok(()) };
        let conn = task.await.ok().flatten();
        self.untangling = None;
        self.conn = conn.filter(|conn| !self.is_owned || conn.id() == self.id);
        let id = self.conn()?.id();
        if id != self.id {
            self.id = id;
            self.settings = None;
            self.stained = false;
            self.note_failure();
        }
        Ok(())
    }

    /// A statement has failed: so has the transaction around it. (Some failures take the transaction back on the server,
    /// after which statements would be kept one by one.)
    pub(super) fn note_failure(&mut self) {
        self.transaction.note_failure();
    }

    /// What the session is set to is not known: the server has refused to set it.
    pub(super) fn forget_settings(&mut self) {
        self.settings = None;
    }

    /// The connection is of no use any more; what may run on it is killed.
    pub(super) fn abandon(&mut self) {
        drop(self.conn.take());
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(tokio::time::timeout(PATIENCE, kill(self.options.clone(), format!("KILL {}", self.id))));
        }
    }

    /// The connection is broken.
    pub(super) fn lose(&mut self) {
        drop(self.conn.take());
    }

    /// Starts to get the connection out of the middle of an answer.
    pub(super) fn untangle(&mut self) {
        match (Handle::try_current(), self.conn.take()) {
            (Ok(runtime), Some(conn)) => {
                self.untangling = Some(runtime.spawn(untangle(conn, self.options.clone(), self.id)));
            }
            (_, conn) => drop(conn),
        }
    }

    /// What has to be sent before the next statement, which counts as sent.
    pub(super) fn prologue(&mut self, due: Instant, read_only: bool) -> Option<String> {
        let left = due.saturating_duration_since(Instant::now()).as_millis();
        let left = u64::try_from(left).unwrap_or(u64::MAX);
        let limit = left.clamp(128, 1 << 30).next_power_of_two();
        // What may have been changed is set again, as far as it is not left to the end of the session.
        let known = self.settings.filter(|_| !self.stained);
        let is_outside = self.transaction == Transaction::None;
        let mut set = Vec::new();
        if known.is_none_or(|known| known.limit != limit) {
            set.push(match self.facts.is_mariadb {
                true => format!("SESSION max_statement_time = {}.{:03}", limit / 1000, limit % 1000),
                false => format!("SESSION max_execution_time = {limit}"),
            });
        }
        if is_outside && known.is_none_or(|known| known.read_only != read_only) {
            let name = if self.facts.is_mariadb { "tx_read_only" } else { "transaction_read_only" };
            set.push(format!("SESSION {name} = {}", u8::from(read_only)));
        }
        set.extend(self.pretended.take());
        let read_only = if is_outside { Some(read_only) } else { known.map(|known| known.read_only) };
        self.settings = read_only.map(|read_only| Settings { limit, read_only });
        let mut steps = Vec::new();
        if !set.is_empty() {
            steps.push(format!("SET {}", set.join(", ")));
        }
        let begin: &[&str] = match self.transaction {
            // No constraint ever waits for the end.
            Transaction::Asked | Transaction::AskedToCheck => &["START TRANSACTION READ WRITE"],
            // The level is that of the next transaction only, whatever the server's own is.
            Transaction::AskedToRead => &[
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
            ],
            Transaction::None | Transaction::Open | Transaction::Failed => &[],
        };
        if !begin.is_empty() {
            steps.extend(begin.iter().map(|&step| step.to_owned()));
            self.transaction = Transaction::Open;
        }
        (!steps.is_empty()).then(|| steps.join("; "))
    }
}

/// Reads an answer that nobody wants to its end, or has its connection killed and opens another: of a long answer more has
/// come already than is quickly read.
async fn untangle(mut conn: Conn, options: Opts, id: u32) -> Option<Conn> {
    match drain(&mut conn, Instant::now() + GRACE).await {
        Drained::Ended => return Some(conn),
        Drained::Broken => {}
        Drained::Late => {
            let _ = tokio::time::timeout(PATIENCE, kill(options.clone(), format!("KILL {id}"))).await;
        }
    }
    drop(conn);
    tokio::time::timeout(PATIENCE, Conn::new(options)).await.ok()?.ok()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drained {
    Ended,
    Broken,
    Late,
}

/// Reads to the end.
async fn drain(conn: &mut Conn, until: Instant) -> Drained {
    let mut rest: QueryResult<'_, '_, BinaryProtocol> = QueryResult::new(conn);
    while Instant::now() < until {
        match tokio::time::timeout_at(until.into(), rest.next()).await {
            Ok(Ok(Some(_))) => {}
            Ok(Ok(None) | Err(Error::Server(_))) => return Drained::Ended,
            Ok(Err(_)) => return Drained::Broken,
            Err(_) => return Drained::Late,
        }
    }
    Drained::Late
}

async fn kill(options: Opts, text: String) -> bool {
    let Ok(mut conn) = Conn::new(options).await else { return false };
    let killed = conn.query_drop(text).await.is_ok();
    let _ = conn.disconnect().await;
    killed
}

/// Refuses to go on with a transaction that has failed.
pub(super) fn sound(link: &Link) -> Result<(), Fault> {
    match link.transaction {
        Transaction::Failed => Err(Fault::new(
            FaultKind::Statement,
            "a statement of the transaction had failed: it can only be taken back",
        )),
        _ => Ok(()),
    }
}
