//! Owns a session over a connection on loan, for all servers that keep transactions by connection: who has it, for how long,
//! where its transaction stands, and in what state it goes back. How anything is said to a server is its link's.

use std::future::Future;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use super::pools::{Connector, Lent, Pools};
use super::{Bound, Fault, FaultKind, Rows, Session, Step};
use crate::model::Address;
use crate::sql::plan::Load;
use crate::sql::shape::ColumnShape;
use crate::sql::value::{Column, Row};

/// Rows that are handed on together.
pub(super) const BATCH_ROWS: usize = 256;
/// Bytes at which a batch is handed on whatever it has.
pub(super) const BATCH_BYTES: usize = 256 * 1024;
/// How long an answer that nobody wants may take to end by itself before its statement is ended.
pub(super) const GRACE: Duration = Duration::from_millis(5);
/// How long ending a statement, or taking back a transaction that was left, may last before the connection is given up.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// A connection that was idle this long is asked whether it lives: the server ends idle ones, and nobody listens meanwhile.
pub(super) const IDLE: Duration = Duration::from_millis(500);

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transaction {
    /// There is none.
    None,
    /// It begins with the next statement, so that it costs no round trip.
    Asked,
    /// The same, of one whose every statement is checked by itself.
    AskedToCheck,
    /// The same, of one that only reads.
    AskedToRead,
    /// It has begun.
    Open,
    /// A statement of it has failed: it can only be taken back.
    Failed,
}

impl Transaction {
    /// A statement has failed: so has the transaction around it.
    pub(super) fn note_failure(&mut self) {
        if *self != Self::None {
            *self = Self::Failed;
        }
    }
}

/// What a connection does for a session.
pub(super) trait Line: Send + 'static {
    /// Where its transaction stands.
    fn transaction(&mut self) -> &mut Transaction;

    /// Whether nothing is under way and nothing is broken.
    fn is_idle(&self) -> bool;

    /// It is not used from now on.
    fn rest(&mut self);

    /// Waits until nothing is under way.
    fn ready(&mut self, due: Instant) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Ends a transaction that is open or has failed.
    fn end(&mut self, is_commit: bool, due: Instant) -> impl Future<Output = Result<(), Fault>> + Send;

    /// As [`Session::pretend`].
    fn pretend(&mut self, _moment: i64) {}

    /// As [`Session::own`].
    fn own(&mut self, _owner: &str, _due: Instant) -> impl Future<Output = Result<(), Fault>> + Send {
        async { Ok(()) }
    }

    /// As [`Session::query`].
    fn query<'a>(&'a mut self, bound: Bound<'a>) -> impl Future<Output = Result<Rows<'a>, Fault>> + Send;

    /// As [`Session::execute`].
    fn execute(&mut self, bound: Bound<'_>) -> impl Future<Output = Result<u64, Fault>> + Send;

    /// As [`Session::load`].
    fn load(&mut self, part: Part<'_>, due: Instant) -> impl Future<Output = Result<(), Fault>> + Send;

    /// As [`Session::shape`].
    fn shape(&mut self, table: &str, due: Instant) -> impl Future<Output = Result<Vec<ColumnShape>, Fault>> + Send;
}

/// Rows for a temporary table.
pub(super) struct Part<'a> {
    pub(super) load: &'a Load,
    pub(super) columns: &'a [Column],
    pub(super) rows: Vec<Row>,
}

/// A session over a connection of a pool.
pub(super) struct Lease<K: Connector<Link: Line>> {
    /// There until it is dropped.
    lent: Option<Lent<K>>,
}

impl<K: Connector<Link: Line>> Lease<K> {
    /// Over a connection to a node, from its pool: waits for a free one until `due`.
    pub(super) fn of<'a>(
        pools: &'a Pools<K>,
        node: &'a Address,
        due: Instant,
    ) -> BoxFuture<'a, Result<Box<dyn Session>, Fault>> {
        Box::pin(async move { Ok(Box::new(Self::new(pools.get(node, due).await?)) as Box<dyn Session>) })
    }

    fn new(lent: Lent<K>) -> Self {
        Self { lent: Some(lent) }
    }

    fn link(&mut self) -> Result<&mut K::Link, Fault> {
        self.lent.as_deref_mut().ok_or_else(|| Fault::lost("the session is over"))
    }
}

impl<K: Connector<Link: Line>> Drop for Lease<K> {
    fn drop(&mut self) {
        let Some(mut lent) = self.lent.take() else { return };
        lent.rest();
        if lent.is_idle() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            drop(Lent::take(lent));
            return;
        };
        runtime.spawn(async move {
            let due = Instant::now() + PATIENCE;
            let is_clean = end(&mut *lent, Step::Rollback, due).await.is_ok();
            lent.rest();
            if !is_clean || !lent.is_idle() {
                drop(Lent::take(lent));
            }
        });
    }
}

impl<K: Connector<Link: Line>> Session for Lease<K> {
    fn query<'a>(&'a mut self, bound: Bound<'a>) -> BoxFuture<'a, Result<Rows<'a>, Fault>> {
        Box::pin(async move { self.link()?.query(bound).await })
    }

    fn execute<'a>(&'a mut self, bound: Bound<'a>) -> BoxFuture<'a, Result<u64, Fault>> {
        Box::pin(async move { self.link()?.execute(bound).await })
    }

    fn transact(&mut self, step: Step, due: Instant) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move {
            let link = self.link()?;
            match step {
                Step::Begin => begin(link, Transaction::Asked, due).await,
                Step::Snapshot => begin(link, Transaction::AskedToRead, due).await,
                Step::Commit | Step::Rollback => end(link, step, due).await,
            }
        })
    }

    fn check_each(&mut self) -> Result<(), Fault> {
        match self.link()?.transaction() {
            asked @ (Transaction::Asked | Transaction::AskedToCheck) => {
                *asked = Transaction::AskedToCheck;
                Ok(())
            }
            _ => Err(Fault::new(FaultKind::Statement, "the transaction is not at its beginning")),
        }
    }

    fn pretend(&mut self, moment: i64, _due: Instant) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move {
            self.link()?.pretend(moment);
            Ok(())
        })
    }

    fn own<'a>(&'a mut self, owner: &'a str, due: Instant) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move { self.link()?.own(owner, due).await })
    }

    fn load<'a>(
        &'a mut self,
        load: &'a Load,
        columns: &'a [Column],
        rows: Vec<Row>,
        due: Instant,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move { self.link()?.load(Part { load, columns, rows }, due).await })
    }

    fn shape<'a>(&'a mut self, table: &'a str, due: Instant) -> BoxFuture<'a, Result<Vec<ColumnShape>, Fault>> {
        Box::pin(async move { self.link()?.shape(table, due).await })
    }
}

async fn begin(link: &mut impl Line, asked: Transaction, due: Instant) -> Result<(), Fault> {
    link.ready(due).await?;
    if *link.transaction() != Transaction::None {
        return Err(Fault::new(FaultKind::Statement, "there is a transaction already"));
    }
    *link.transaction() = asked;
    Ok(())
}

async fn end(link: &mut impl Line, step: Step, due: Instant) -> Result<(), Fault> {
    if let Err(fault) = link.ready(due).await {
        // It was never told to commit: there is no doubt that it has not.
        let is_certain = step == Step::Commit && fault.kind == FaultKind::Lost;
        return Err(if is_certain { Fault::new(FaultKind::Connect, fault.message) } else { fault });
    }
    let stood = *link.transaction();
    if !matches!(stood, Transaction::Open | Transaction::Failed) {
        *link.transaction() = Transaction::None;
        return Ok(());
    }
    let is_commit = step == Step::Commit && stood == Transaction::Open;
    let done = link.end(is_commit, due).await;
    if step == Step::Commit && !is_commit {
        let why = "a statement of the transaction had failed: it was taken back";
        return done.and(Err(Fault::new(FaultKind::Statement, why)));
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection to nothing, in a state of choice, that notes how its transaction ends.
    struct Told {
        transaction: Transaction,
        is_broken: bool,
        ended: Option<bool>,
    }

    impl Line for Told {
        fn transaction(&mut self) -> &mut Transaction {
            &mut self.transaction
        }

        fn is_idle(&self) -> bool {
            !self.is_broken && self.transaction == Transaction::None
        }

        fn rest(&mut self) {}

        async fn ready(&mut self, _: Instant) -> Result<(), Fault> {
            if self.is_broken { Err(Fault::lost("it is closed")) } else { Ok(()) }
        }

        async fn end(&mut self, is_commit: bool, _: Instant) -> Result<(), Fault> {
            (self.ended, self.transaction) = (Some(is_commit), Transaction::None);
            Ok(())
        }

        async fn query<'a>(&'a mut self, _: Bound<'a>) -> Result<Rows<'a>, Fault> {
            Err(Fault::lost("it answers nothing"))
        }

        async fn execute(&mut self, _: Bound<'_>) -> Result<u64, Fault> {
            Ok(0)
        }

        async fn load(&mut self, _: Part<'_>, _: Instant) -> Result<(), Fault> {
            Ok(())
        }

        async fn shape(&mut self, _: &str, _: Instant) -> Result<Vec<ColumnShape>, Fault> {
            Ok(Vec::new())
        }
    }

    struct Dial;

    impl Connector for Dial {
        type Link = Told;
        type Known = ();

        async fn connect(&self, _: &Address, (): &()) -> Result<Told, Fault> {
            Ok(Told { transaction: Transaction::None, is_broken: false, ended: None })
        }

        async fn is_sound(&self, link: &mut Told) -> bool {
            link.is_idle()
        }
    }

    fn told(transaction: Transaction, is_broken: bool) -> Told {
        Told { transaction, is_broken, ended: None }
    }

    #[tokio::test]
    async fn a_connection_that_was_dead_before_it_was_told_to_commit_has_not_done_it() {
        let due = Instant::now() + PATIENCE;
        let fault = end(&mut told(Transaction::Open, true), Step::Commit, due).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Connect);
        let fault = end(&mut told(Transaction::Open, true), Step::Rollback, due).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Lost);
    }

    #[tokio::test]
    async fn a_transaction_that_has_failed_is_taken_back_whatever_is_asked() {
        let due = Instant::now() + PATIENCE;
        let mut failed = told(Transaction::Failed, false);
        assert_eq!(end(&mut failed, Step::Commit, due).await.unwrap_err().kind, FaultKind::Statement);
        assert_eq!(failed.ended, Some(false));
        let mut open = told(Transaction::Open, false);
        assert_eq!((end(&mut open, Step::Commit, due).await, open.ended), (Ok(()), Some(true)));
        // One that has not begun needs no end.
        let mut asked = told(Transaction::Asked, false);
        assert_eq!((end(&mut asked, Step::Commit, due).await, asked.ended), (Ok(()), None));
        assert_eq!(asked.transaction, Transaction::None);
    }

    #[tokio::test]
    async fn a_session_that_is_left_in_a_transaction_ends_it_before_another_has_the_connection() {
        let (node, due) = (Address::parse("node:1").unwrap(), Instant::now() + PATIENCE);
        let pools = Pools::new(Dial, 1, PATIENCE);
        let mut lent = pools.get(&node, due).await.unwrap();
        lent.transaction = Transaction::Open;
        drop(Lease::new(lent));
        let lent = pools.get(&node, due).await.unwrap();
        assert_eq!((lent.transaction, lent.ended), (Transaction::None, Some(false)));
    }
}
