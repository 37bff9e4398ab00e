//! Owns one connection: how it is made, its settings, its prepared statements, its transaction, and getting it out of the
//! middle of a statement. It must never be handed out with an answer still on the way.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::{Future, join};
use lru::LruCache;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, Error, NoTls, Statement};

use super::fault;
use crate::config::DatabaseSpec;
use crate::model::Address;
use crate::sql::backend::lease::{GRACE, IDLE, PATIENCE, Transaction};
use crate::sql::backend::pools::Connector;
use crate::sql::backend::{Fault, FaultKind};

/// How many statements stay prepared on a connection: a plan takes some ten kilobytes of the server's memory.
const PREPARED: NonZeroUsize = NonZeroUsize::new(256).unwrap();
/// Fixed for each session, so that all nodes read and write values alike, and what is committed outlives a power cut. `RESET ALL`
/// goes back to them.
const OPTIONS: &str = "-c default_transaction_read_only=on -c statement_timeout=0 -c timezone=UTC \
     -c timezone_abbreviations=Default -c datestyle=ISO,MDY -c intervalstyle=postgres -c standard_conforming_strings=on \
     -c bytea_output=hex -c row_security=on -c lc_time=C -c lc_numeric=C -c lc_monetary=C \
     -c default_text_search_config=pg_catalog.simple -c transform_null_equals=off -c array_nulls=on \
     -c quote_all_identifiers=off -c xmloption=content -c extra_float_digits=1 -c synchronous_commit=on";
/// What a session has of its own besides prepared statements, and how it began: settings as above, nothing else.
const CLEAN: &str = "SET SESSION AUTHORIZATION DEFAULT; RESET ALL; CLOSE ALL; UNLISTEN *; DISCARD TEMP; DISCARD SEQUENCES; \
     DISCARD PLANS; SELECT pg_catalog.pg_advisory_unlock_all()";
/// Encodings whose byte order is that of UTF-8, or which are passed on as they are.
const ENCODINGS: [&str; 3] = ["UTF8", "SQL_ASCII", "LATIN1"];

/// Makes connections.
pub(super) struct Dial {
    config: Config,
}

impl Dial {
    pub(super) fn new(database: &DatabaseSpec) -> Self {
        let mut config = Config::new();
        config.user(&database.user).dbname(&database.database).application_name("leverframe").options(OPTIONS);
        config.ssl_mode(SslMode::Disable);
        if let Some(password) = &database.password {
            config.password(password.expose());
        }
        Self { config }
    }
}

impl Connector for Dial {
    type Link = Link;
    type Known = ();

    async fn connect(&self, node: &Address, (): &()) -> Result<Link, Fault> {
        let mut config = self.config.clone();
        config.host(node.host()).port(node.port());
        let connecting = |error: &Error| fault::connecting(&node.to_string(), error);
        let (client, connection) = Box::pin(config.connect(NoTls)).await.map_err(|error| connecting(&error))?;
        let encoding = connection.parameter("server_encoding").unwrap_or("UTF8").to_owned();
        if !ENCODINGS.contains(&encoding.as_str()) {
            let why = format!("{node}: the database is encoded in {encoding}; UTF8 is needed");
            return Err(Fault::new(FaultKind::Connect, why));
        }
        let driver = tokio::spawn(async move {
            // What ends a connection is told to whoever waits for an answer on it.
            let _ = connection.await;
        });
        Ok(Link {
            client: Arc::new(client),
            driver,
            node: node.clone(),
            statements: LruCache::new(PREPARED),
            settings: Some(FRESH),
            transaction: Transaction::None,
            loaded: Vec::new(),
            untangling: None,
            spoiled: false,
            stained: false,
            rested: Instant::now(),
        })
    }

    async fn is_sound(&self, link: &mut Link) -> bool {
        link.untangled().await.is_ok() && link.is_idle() && link.freshened().await.is_ok()
    }
}

/// The server's own time limit in milliseconds; 0 for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limit(u64);

impl Limit {
    /// The power of two at or above the time left, so that it seldom changes.
    fn until(due: Instant) -> Self {
        let left = due.saturating_duration_since(Instant::now()).as_millis();
        let left = u64::try_from(left).unwrap_or(u64::MAX).clamp(128, 1 << 30);
        Self(left.next_power_of_two())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Settings {
    limit: Limit,
    read_only: bool,
}

/// What `OPTIONS` say.
const FRESH: Settings = Settings { limit: Limit(0), read_only: true };

/// How a cancelled statement left its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Untangled {
    /// It had ended by itself.
    Ended,
    /// It was cancelled; a transaction around it has failed.
    Cancelled,
    /// The connection is of no use.
    Broken,
}

/// A connection.
pub(super) struct Link {
    pub(super) client: Arc<Client>,
    driver: JoinHandle<()>,
    node: Address,
    statements: LruCache<Box<str>, Statement>,
    /// What the session is set to; none where that is not known.
    settings: Option<Settings>,
    pub(super) transaction: Transaction,
    /// The temporary tables of the transaction.
    pub(super) loaded: Vec<String>,
    untangling: Option<JoinHandle<Untangled>>,
    spoiled: bool,
    /// A function has been called that may have changed the session.
    stained: bool,
    /// When it was last given back.
    pub(super) rested: Instant,
}

impl Drop for Link {
    fn drop(&mut self) {
        // An answer may still be on its way: closing the socket ends it.
        if !self.is_idle() {
            self.driver.abort();
        }
    }
}

impl Link {
    /// Whether nothing is under way and nothing is broken.
    pub(super) fn is_idle(&self) -> bool {
        self.is_usable() && self.transaction == Transaction::None && self.untangling.is_none()
    }

    fn is_usable(&self) -> bool {
        !self.spoiled && !self.client.is_closed()
    }

    /// A function is called that may change the session.
    pub(super) fn stain(&mut self) {
        self.stained = true;
    }

    /// Makes it as good as new, and sees that it lives, where either may not be so.
    async fn freshened(&mut self) -> Result<(), Error> {
        if self.stained {
            self.client.batch_execute(CLEAN).await?;
            self.stained = false;
            self.settings = Some(FRESH);
        } else if self.rested.elapsed() > IDLE {
            self.client.check_connection().await?;
        }
        Ok(())
    }

    /// The connection is not to be used again.
    pub(super) fn spoil(&mut self) {
        self.spoiled = true;
    }

    /// Waits until nothing is under way.
    pub(super) async fn ready(&mut self, due: Instant) -> Result<(), Fault> {
        if Instant::now() >= due {
            return Err(Fault::late());
        }
        if self.untangling.is_some() {
            tokio::time::timeout_at(due.into(), self.untangled()).await.map_err(|_| Fault::late())??;
        }
        match self.is_usable() {
            true => Ok(()),
            false => Err(Fault::lost("the connection is closed")),
        }
    }

    async fn untangled(&mut self) -> Result<(), Fault> {
        let Some(task) = &mut self.untangling else { return Ok(()) };
        let outcome = task.await.unwrap_or(Untangled::Broken);
        self.untangling = None;
        match outcome {
            Untangled::Ended => Ok(()),
            Untangled::Cancelled => {
                self.note_failure();
                Ok(())
            }
            Untangled::Broken => {
                self.spoil();
                Err(Fault::lost("the statement could not be cancelled"))
            }
        }
    }

    /// A statement has failed: so has the transaction around it.
    pub(super) fn note_failure(&mut self) {
        self.transaction.note_failure();
    }

    /// The session's settings are not known: a transaction was taken back, or a statement left in the middle.
    pub(super) fn forget_settings(&mut self) {
        self.settings = None;
    }

    /// Starts to get the connection out of the middle of a statement.
    pub(super) fn untangle(&mut self) {
        self.forget_settings();
        match Handle::try_current() {
            Ok(runtime) => {
                let task = untangle(Arc::clone(&self.client), self.node.clone());
                self.untangling = Some(runtime.spawn(task));
            }
            Err(_) => self.spoil(),
        }
    }

    /// What has to be sent ahead of the next statement, which counts as sent.
    pub(super) fn prologue(&mut self, due: Instant, read_only: bool) -> Option<String> {
        let limit = Limit::until(due);
        // What may have been changed is set again, as far as it is not left to the end of the session.
        let known = self.settings.filter(|_| !self.stained);
        let mut text = String::new();
        if known.is_none_or(|known| known.limit != limit) {
            text.push_str(&format!("SET statement_timeout = {};", limit.0));
        }
        let is_outside = self.transaction == Transaction::None;
        if is_outside && known.is_none_or(|known| known.read_only != read_only) {
            text.push_str(&format!("SET default_transaction_read_only = {};", if read_only { "on" } else { "off" }));
        }
        let set = if is_outside { Some(read_only) } else { known.map(|known| known.read_only) };
        self.settings = set.map(|read_only| Settings { limit, read_only });
        let begin = match self.transaction {
            Transaction::Asked => "BEGIN READ WRITE;",
            Transaction::AskedToCheck => "BEGIN READ WRITE;SET CONSTRAINTS ALL IMMEDIATE;",
            Transaction::AskedToRead => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;",
            Transaction::None | Transaction::Open | Transaction::Failed => "",
        };
        if !begin.is_empty() {
            text.push_str(begin);
            self.transaction = Transaction::Open;
        }
        Some(text).filter(|text| !text.is_empty())
    }

    /// The statement, prepared; from memory where it was before. Tables that were loaded hide those that a remembered
    /// statement reads, and the server does not notice: with such tables each statement is prepared anew.
    pub(super) async fn prepare(&mut self, sql: &str, due: Instant, read_only: bool) -> Result<Statement, Error> {
        let is_kept = self.loaded.is_empty();
        if is_kept && let Some(statement) = self.prepared(sql) {
            return Ok(statement);
        }
        let prologue = self.prologue(due, read_only);
        let client = Arc::clone(&self.client);
        let statement = self.ahead(prologue, client.prepare(sql)).await?;
        if is_kept {
            self.keep(sql, &statement);
        }
        Ok(statement)
    }

    /// The statement, where it was prepared before: one that names no table that could be hidden.
    pub(super) fn prepared(&mut self, sql: &str) -> Option<Statement> {
        self.statements.get(sql).cloned()
    }

    /// Remembers a statement.
    pub(super) fn keep(&mut self, sql: &str, statement: &Statement) {
        self.statements.put(sql.into(), statement.clone());
    }

    /// The statement has to be prepared anew.
    pub(super) fn unprepare(&mut self, sql: &str) {
        self.statements.pop(sql);
    }

    /// Sends what goes ahead and then does the work, without waiting in between.
    pub(super) async fn ahead<T>(
        &mut self,
        prologue: Option<String>,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let Some(prologue) = prologue else { return work.await };
        let client = Arc::clone(&self.client);
        let (set, done) = join(client.batch_execute(&prologue), work).await;
        if set.is_err() {
            self.forget_settings();
        }
        set.and(done)
    }
}

/// Waits for the end of an answer that nobody wants, or cancels its statement.
async fn untangle(client: Arc<Client>, node: Address) -> Untangled {
    let ended = |outcome| matches!(outcome, Ok(Ok(())));
    if ended(tokio::time::timeout(GRACE, client.check_connection()).await) {
        return Untangled::Ended;
    }
    if tokio::time::timeout(PATIENCE, cancel(&client, &node)).await.is_err() {
        return Untangled::Broken;
    }
    match ended(tokio::time::timeout(PATIENCE, client.check_connection()).await) {
        true => Untangled::Cancelled,
        false => Untangled::Broken,
    }
}

/// Asks the server to cancel, and waits until it has: it closes the connection when the signal is sent. Only then what is
/// sent next cannot be hit by it.
async fn cancel(client: &Client, node: &Address) {
    let Ok(mut socket) = TcpStream::connect((node.host(), node.port())).await else { return };
    if client.cancel_token().cancel_query_raw(&mut socket, NoTls).await.is_ok() {
        let mut rest = [0; 16];
        while socket.read(&mut rest).await.is_ok_and(|read| read > 0) {}
    }
}
