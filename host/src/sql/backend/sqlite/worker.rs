//! Owns the thread of a connection: tasks come in one after the other, and run against the seat. SQLite blocks, so no task
//! runs anywhere else.

use std::collections::HashSet;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::oneshot;

use super::database::Database;
use super::guard::Guard;
use super::statement;
use super::watch::Watch;
use crate::sql::backend::{Fault, FaultKind};

/// How much longer than its deadline a task may take to say so itself.
const GRACE: Duration = Duration::from_millis(100);

/// What a thread is given to do.
type Task = Box<dyn FnOnce(&mut Seat) + Send>;

/// What tasks run against.
pub(super) struct Seat {
    pub(super) connection: Connection,
    pub(super) guard: Guard,
    pub(super) watch: Arc<Watch>,
    /// Whether there is a transaction, as the session believes.
    pub(super) in_transaction: bool,
    /// The temporary tables of the transaction.
    pub(super) loaded: HashSet<String>,
    /// It must not be used again.
    pub(super) is_broken: bool,
    database: Database,
    identity: Option<(u64, u64)>,
}

impl Seat {
    fn open(database: &Database, watch: &Arc<Watch>) -> Result<Self, Fault> {
        let guard = Guard::default();
        let identity = database.identity();
        let connection = database.open(watch, &guard).map_err(|error| {
            let kind = if watch.is_late() { FaultKind::TimedOut } else { FaultKind::Connect };
            Fault::new(kind, statement::message(&error))
        })?;
        Ok(Self {
            connection,
            guard,
            watch: Arc::clone(watch),
            in_transaction: false,
            loaded: HashSet::new(),
            is_broken: false,
            database: database.clone(),
            identity,
        })
    }

    /// Whether it is an engine for final statements.
    pub(super) fn is_engine(&self) -> bool {
        self.database == Database::Private
    }

    /// Sees to it that what is open is the file of that name, and that a transaction is still there.
    pub(super) fn check(&mut self) -> Result<(), Fault> {
        if self.in_transaction {
            // A statement that is stopped or fails badly takes all of it back; the next one would stand alone.
            return match self.connection.is_autocommit() {
                true => Err(Fault::new(FaultKind::Statement, "the transaction was taken back by an earlier failure")),
                false => Ok(()),
            };
        }
        if self.identity != self.database.identity() {
            // Closing a file that is not at its name any more would tidy away the log of the one that is.
            let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
            let fresh = Self::open(&self.database, &self.watch);
            self.is_broken = fresh.is_err();
            *self = fresh?;
        }
        Ok(())
    }

    /// Takes back what is left of a transaction; answers whether another session may have the connection.
    fn tidy(&mut self) -> bool {
        let is_back = self.connection.is_autocommit() || {
            let Self { connection, guard, .. } = self;
            guard.own(|| connection.execute_batch("ROLLBACK")).is_ok()
        };
        self.in_transaction = false;
        self.loaded.clear();
        let leaves_tables =
            || self.connection.query_row("SELECT count(*) FROM sqlite_temp_schema", [], |row| row.get(0));
        // Memory that a large engine had is given back.
        let is_small = !self.is_engine() || self.connection.release_memory().is_ok();
        is_back && is_small && !self.is_broken && matches!(leaves_tables(), Ok(0_i64))
    }
}

/// A connection's thread, from outside. Dropped, it ends the thread after the task that runs.
#[derive(Debug)]
pub(super) struct Worker {
    tasks: mpsc::Sender<Task>,
    watch: Arc<Watch>,
    /// How many tasks it was given.
    given: u64,
    /// Since when it has nothing to do.
    pub(super) idle_since: Instant,
}

impl Worker {
    /// Starts a thread and opens the database there.
    pub(super) async fn start(database: Database, due: Option<Instant>) -> Result<Self, Fault> {
        let (tasks, given) = mpsc::channel::<Task>();
        let watch = Arc::new(Watch::default());
        let (opened, opens) = oneshot::channel();
        let watched = Arc::clone(&watch);
        let body = move || {
            watched.begin(1, due);
            let seat = Seat::open(&database, &watched);
            watched.end();
            let (seat, told) = match seat {
                Ok(seat) => (Some(seat), Ok(())),
                Err(fault) => (None, Err(fault)),
            };
            let is_awaited = opened.send(told).is_ok();
            if let (Some(mut seat), true) = (seat, is_awaited) {
                given.into_iter().for_each(|task| task(&mut seat));
            }
        };
        let started = std::thread::Builder::new().name("sqlite".to_owned()).spawn(body);
        started.map_err(|error| Fault::new(FaultKind::Connect, error.to_string()))?;
        let worker = Self { tasks, watch, given: 1, idle_since: Instant::now() };
        let mut opened = Pending { reply: opens, _cancel: worker.cancel() };
        opened.outcome(due).await??;
        Ok(worker)
    }

    /// Gives it a task; its answer can be waited for. A task whose time is over when its turn comes is not begun.
    pub(super) fn run<T, F>(&mut self, due: Instant, task: F) -> Pending<Result<T, Fault>>
    where
        T: Send + 'static,
        F: FnOnce(&mut Seat) -> Result<T, Fault> + Send + 'static,
    {
        self.given += 1;
        let (number, watch) = (self.given, Arc::clone(&self.watch));
        let (reply, replies) = oneshot::channel();
        // A thread that is gone answers nothing, which the waiting sees.
        let _ = self.tasks.send(Box::new(move |seat| {
            let done = match watch.begin(number, Some(due)) {
                true => task(seat),
                false => Err(Fault::new(FaultKind::TimedOut, "its time was over before it began")),
            };
            watch.end();
            // Who asked may have left.
            let _ = reply.send(done);
        }));
        Pending { reply: replies, _cancel: self.cancel() }
    }

    /// What ends the task that was given last.
    fn cancel(&self) -> Cancel {
        Cancel { watch: Arc::clone(&self.watch), task: self.given }
    }

    /// Tidies up on its own thread, and goes to `keep` if it can be used again.
    pub(super) fn retire(self, keep: impl FnOnce(Self) + Send + 'static) {
        let tasks = self.tasks.clone();
        // A thread that is gone has nothing to tidy up.
        let _ = tasks.send(Box::new(move |seat| {
            seat.watch.begin(u64::MAX, None);
            let is_sound = seat.tidy();
            seat.watch.end();
            if is_sound {
                keep(Self { idle_since: Instant::now(), ..self });
            }
        }));
    }
}

/// Ends a task when it is dropped, if it still runs.
#[derive(Debug)]
struct Cancel {
    watch: Arc<Watch>,
    task: u64,
}

impl Drop for Cancel {
    fn drop(&mut self) {
        self.watch.cancel(self.task);
    }
}

/// An answer to come. Dropped, it ends the task.
pub(super) struct Pending<T> {
    reply: oneshot::Receiver<T>,
    _cancel: Cancel,
}

impl<T> Pending<T> {
    /// The answer; a task that does not end in time by itself is not waited for.
    pub(super) async fn outcome(&mut self, due: Option<Instant>) -> Result<T, Fault> {
        let answered = match due.and_then(|due| due.checked_add(GRACE)) {
            Some(latest) => tokio::time::timeout_at(latest.into(), &mut self.reply).await.ok(),
            None => Some((&mut self.reply).await),
        };
        match answered {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(_)) => Err(Fault::new(FaultKind::Lost, "the connection's thread has ended")),
            None => Err(Fault::new(FaultKind::TimedOut, "it was not done in time")),
        }
    }
}
