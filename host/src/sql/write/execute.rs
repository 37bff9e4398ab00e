//! Owns carrying a change out up to the point where it could be made lasting on every shard, and taking it back where it
//! cannot. What is sent is sent once.
//!
//! Sessions are opened in the order of shards, and where a transaction locks a whole database (SQLite) they begin in that
//! order, too, so that two writes do not wait for each other in a circle. Copies of the same rows are written on the first
//! shard before the others, for the same reason. Rows of their own are written on all at once: two writes that lock rows
//! crosswise end at their deadline, with nothing done.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::time::{Instant as Clock, timeout, timeout_at};

use super::commit::commit;
use super::{Change, Count, Held, Question, Returned, ShardStatement, Shards, Verify, Written};
use crate::sql::backend::{Bound, Fault, FaultKind, Session, Step};
use crate::sql::dialect::Dialect;
use crate::sql::error::{Cap, Error, Unlike};
use crate::sql::run::{NAMING, NodeReport, NodeStatus};
use crate::sql::topology::Shard;
use crate::sql::value::{Row, Value};

/// How long a node is given to take a transaction back; after that its session is dropped, which takes it back, too.
const GRACE: Duration = Duration::from_secs(2);

/// A shard's part of a change.
pub(super) struct Party<'a, H> {
    pub(super) held: H,
    work: &'a [ShardStatement],
    tally: Tally,
    /// Under way: when time runs out, it is late.
    is_busy: bool,
    fault: Option<Fault>,
}

/// What a shard has done.
struct Tally {
    node: String,
    sql: String,
    started: Instant,
    affected: u64,
    returned: Option<Returned>,
}

impl Tally {
    fn report(&self) -> NodeReport {
        NodeReport {
            name: self.node.clone(),
            sql: self.sql.clone(),
            rows: self.affected,
            elapsed: self.started.elapsed(),
            status: NodeStatus::Done,
        }
    }
}

/// Carries it out on all shards or on none.
pub(super) async fn execute<S: Shards>(
    change: &Change,
    shards: &S,
    due: Instant,
    most: usize,
) -> Result<Written, Error> {
    let is_plain = change.verify.is_none() && change.questions.is_empty() && !change.returns;
    match change.statements.as_slice() {
        [] => return Ok(Written { affected: 0, returned: change.returns.then(Returned::default), nodes: Vec::new() }),
        [only] if is_plain => return alone(change, only, shards, due).await,
        _ => {}
    }
    // MySQL makes every change of a table lasting at once.
    if change.verify.is_some() && change.dialect == Dialect::MySql {
        return super::schema::step_by_step(change, shards, due).await;
    }
    let mut parties = Vec::new();
    let prepared = timeout_at(Clock::from_std(due), Box::pin(prepare(change, shards, &mut parties, (due, most)))).await;
    match prepared {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            take_back(parties).await;
            return Err(error);
        }
        Err(_) => return Err(Error::Deadline { late: abandon(parties) }),
    }
    let (held, tallies): (Vec<_>, Vec<_>) = parties.into_iter().map(|party| (party.held, party.tally)).unzip();
    commit(held, shards.lasting().begin()).await?;
    Ok(written(change.count, tallies))
}

/// One statement on one shard that answers a number needs no transaction around it.
async fn alone<S: Shards>(change: &Change, only: &ShardStatement, shards: &S, due: Instant) -> Result<Written, Error> {
    let held = shards.open(only.shard, due).await.map_err(|failed| Error::of_nodes(vec![failed]))?;
    let mut party = party(held, std::slice::from_ref(only));
    let bound = Bound { sql: &only.sql, params: &only.params, due };
    let result = match timeout_at(Clock::from_std(due), party.held.session().execute(bound)).await {
        Ok(result) => result,
        Err(_) => Err(Fault::late()),
    };
    party.held.finish(result.as_ref().map(|_| ()));
    match result {
        Ok(affected) => {
            party.tally.affected = affected;
            Ok(written(change.count, vec![party.tally]))
        }
        Err(fault) if matches!(fault.kind, FaultKind::Lost | FaultKind::TimedOut) => {
            let unknown = vec![(party.tally.node, fault)];
            Err(Error::HalfCommitted { committed: Vec::new(), missing: Vec::new(), unknown })
        }
        Err(fault) => Err(Error::of_nodes(vec![(party.tally.node, fault)])),
    }
}

fn party<H: Held>(held: H, work: &[ShardStatement]) -> Party<'_, H> {
    let mut sql = work.first().map(|first| first.sql.clone()).unwrap_or_default();
    if work.len() > 1 {
        sql.push_str(&format!("\n-- and {} more for the other rows", work.len() - 1));
    }
    let (node, started) = (held.node().to_owned(), Clock::now().into_std());
    let tally = Tally { node, sql, started, affected: 0, returned: None };
    Party { held, work, tally, is_busy: false, fault: None }
}

/// A session with each of the shards, in their order. Where one cannot be had, the others are tried for a moment, so that
/// all that fail are named.
pub(super) async fn open<S: Shards>(which: &[Shard], shards: &S, due: Instant) -> Result<Vec<S::Held>, Error> {
    let mut held = Vec::with_capacity(which.len());
    for (at, shard) in which.iter().enumerate() {
        match shards.open(*shard, due).await {
            Ok(one) => held.push(one),
            Err(failed) => {
                let rest = which.get(at + 1..).unwrap_or_default();
                let mut all = vec![failed];
                all.extend(unopened(rest, shards, due).await);
                return Err(Error::of_nodes(all));
            }
        }
    }
    Ok(held)
}

/// Those of the shards that cannot be opened, as far as that shows soon.
async fn unopened<S: Shards>(rest: &[Shard], shards: &S, due: Instant) -> Vec<(String, Fault)> {
    let soon = (Clock::now() + NAMING).min(Clock::from_std(due));
    let tried = join_all(rest.iter().map(|shard| timeout_at(soon, shards.open(*shard, due)))).await;
    let failed = tried.into_iter().flatten().filter_map(|opened| match opened {
        Ok(held) => {
            held.finish(Ok(()));
            None
        }
        Err(failed) => Some(failed),
    });
    failed.collect()
}

/// Everything before the first commit.
async fn prepare<'a, S: Shards>(
    change: &'a Change,
    shards: &S,
    parties: &mut Vec<Party<'a, S::Held>>,
    (due, most): (Instant, usize),
) -> Result<(), Error> {
    let works: Vec<&[ShardStatement]> = change.statements.chunk_by(|one, other| one.shard == other.shard).collect();
    let of_each: Vec<Shard> = works.iter().filter_map(|work| work.first()).map(|first| first.shard).collect();
    let held = open(&of_each, shards, due).await?;
    parties.extend(held.into_iter().zip(works).map(|(held, work)| party(held, work)));
    for question in &change.questions {
        let asked = parties.iter_mut().map(|party| ask(question, party, due));
        join_all(asked).await.into_iter().collect::<Result<Vec<()>, Error>>()?;
    }
    if change.dialect == Dialect::Sqlite {
        for party in parties.iter_mut() {
            begin(party, due).await;
            failures(std::slice::from_mut(party))?;
        }
    } else {
        join_all(parties.iter_mut().map(|party| begin(party, due))).await;
        failures(parties)?;
    }
    let leads = if change.count == Count::Same { 1 } else { 0 };
    for party in parties.iter_mut().take(leads) {
        carry_out(party, change.returns, (due, most)).await?;
        failures(std::slice::from_mut(party))?;
    }
    let rest = parties.iter_mut().skip(leads).map(|party| carry_out(party, change.returns, (due, most)));
    join_all(rest).await.into_iter().collect::<Result<Vec<()>, Error>>()?;
    failures(parties)?;
    agree(change, parties, most)?;
    match &change.verify {
        Some(verify) => check(verify, parties, due).await,
        None => Ok(()),
    }
}

async fn begin<H: Held>(party: &mut Party<'_, H>, due: Instant) {
    party.is_busy = true;
    party.fault = party.held.session().transact(Step::Begin, due).await.err();
    party.is_busy = false;
}

async fn carry_out<H: Held>(
    party: &mut Party<'_, H>,
    returns: bool,
    (due, most): (Instant, usize),
) -> Result<(), Error> {
    party.is_busy = true;
    let result = work(party, returns, (due, most)).await;
    party.is_busy = false;
    match result {
        Ok(()) => Ok(()),
        Err(Stop::Fault(fault)) => {
            party.fault = Some(fault);
            Ok(())
        }
        Err(Stop::TooLong) => Err(Error::Cap(Cap::AnswerBytes(most))),
    }
}

/// Why a shard's work ended.
enum Stop {
    Fault(Fault),
    TooLong,
}

/// A shard's statements, one after the other.
async fn work<H: Held>(party: &mut Party<'_, H>, returns: bool, (due, most): (Instant, usize)) -> Result<(), Stop> {
    let statements = party.work;
    for statement in statements {
        let bound = Bound { sql: &statement.sql, params: &statement.params, due };
        if !returns {
            party.tally.affected += party.held.session().execute(bound).await.map_err(Stop::Fault)?;
            continue;
        }
        let mut rows = party.held.session().query(bound).await.map_err(Stop::Fault)?;
        let returned = party.tally.returned.get_or_insert_default();
        returned.columns = std::mem::take(&mut rows.columns);
        let mut bytes = 0;
        while let Some(batch) = rows.batches.next().await {
            let batch = batch.map_err(Stop::Fault)?;
            bytes += batch.iter().flatten().map(Value::bytes).sum::<usize>();
            if bytes > most {
                return Err(Stop::TooLong);
            }
            returned.rows.extend(batch);
        }
        drop(rows);
        party.tally.affected = returned.rows.len() as u64;
    }
    Ok(())
}

fn failures<H>(parties: &[Party<'_, H>]) -> Result<(), Error> {
    let failed = parties.iter().filter_map(|party| Some((party.tally.node.clone(), party.fault.clone()?)));
    let failed: Vec<_> = failed.collect();
    if failed.is_empty() { Ok(()) } else { Err(Error::of_nodes(failed)) }
}

async fn ask<H: Held>(question: &Question, party: &mut Party<'_, H>, due: Instant) -> Result<(), Error> {
    let rows = match answers(question, party.held.session(), due).await {
        Ok(rows) => rows,
        Err(fault) => {
            party.fault = Some(fault);
            return failures(std::slice::from_mut(party));
        }
    };
    if rows.is_empty() { Ok(()) } else { Err(Error::Refused(question.refusal.clone())) }
}

async fn answers(question: &Question, session: &mut dyn Session, due: Instant) -> Result<Vec<Row>, Fault> {
    let mut rows = session.query(Bound { sql: &question.sql, params: &question.params, due }).await?;
    let mut found = Vec::new();
    while let Some(batch) = rows.batches.next().await {
        found.extend(batch?);
    }
    Ok(found)
}

/// Whether what the shards have done fits together.
fn agree<H>(change: &Change, parties: &[Party<'_, H>], most: usize) -> Result<(), Error> {
    let Some(first) = parties.first() else { return Ok(()) };
    let named = |party: &Party<'_, H>| -> Vec<String> {
        let columns = party.tally.returned.iter().flat_map(|returned| &returned.columns);
        columns.map(|column| column.name.clone()).collect()
    };
    for party in parties {
        let (one, other) = (first.tally.node.clone(), party.tally.node.clone());
        if change.count == Count::Same && first.tally.affected != party.tally.affected {
            let what = "the rows that were touched".into();
            let (this, that) = (first.tally.affected.to_string(), party.tally.affected.to_string());
            return Err(Error::Unlike(Unlike { what, one, this, other, that }));
        }
        let (this, that) = (named(first), named(party));
        if this != that {
            let what = "the columns that were returned".into();
            let (this, that) = (this.join(", "), that.join(", "));
            return Err(Error::Unlike(Unlike { what, one, this, other, that }));
        }
    }
    let rows = parties.iter().flat_map(|party| &party.tally.returned).flat_map(|returned| &returned.rows);
    let bytes: usize = rows.flatten().map(Value::bytes).sum();
    if change.count == Count::Sum && bytes > most { Err(Error::Cap(Cap::AnswerBytes(most))) } else { Ok(()) }
}

/// Looks at the tables on every shard.
async fn check<H: Held>(verify: &Verify, parties: &mut [Party<'_, H>], due: Instant) -> Result<(), Error> {
    for table in &verify.tables {
        let mut shapes = Vec::new();
        for party in parties.iter_mut() {
            party.is_busy = true;
            match party.held.session().shape(table, due).await {
                Ok(shape) => shapes.push((party.tally.node.clone(), shape)),
                Err(fault) => {
                    party.fault = Some(fault);
                    return failures(std::slice::from_mut(party));
                }
            }
            party.is_busy = false;
        }
        super::schema::alike(table, verify.exist, &shapes).map_err(Error::Unlike)?;
    }
    Ok(())
}

/// Takes everything back. A session that does not manage that in time is dropped, which does it.
async fn take_back<H: Held>(parties: Vec<Party<'_, H>>) {
    let each = parties.into_iter().map(|mut party| async move {
        let is_lost = matches!(&party.fault, Some(fault) if fault.is_nodes());
        if !is_lost {
            let due = Clock::now() + GRACE;
            let _ = timeout(GRACE, party.held.session().transact(Step::Rollback, due.into_std())).await;
        }
        party.held.finish(party.fault.as_ref().map_or(Ok(()), Err));
    });
    join_all(each).await;
}

/// Drops every session where it stands; answers who was late.
fn abandon<H: Held>(parties: Vec<Party<'_, H>>) -> Vec<String> {
    let mut late = Vec::new();
    for party in parties {
        let fault = Fault::late();
        if party.is_busy {
            late.push(party.tally.node);
        }
        party.held.finish(if party.is_busy { Err(&fault) } else { Ok(()) });
    }
    late
}

fn written(count: Count, tallies: Vec<Tally>) -> Written {
    let nodes = tallies.iter().map(Tally::report).collect();
    let counts = tallies.iter().map(|tally| tally.affected);
    let affected = match count {
        Count::Sum => counts.sum(),
        Count::Same => counts.max().unwrap_or_default(),
    };
    let mut returned: Option<Returned> = None;
    for one in tallies.into_iter().filter_map(|tally| tally.returned) {
        match &mut returned {
            None => returned = Some(one),
            Some(all) if count == Count::Sum => all.rows.extend(one.rows),
            Some(_) => {}
        }
    }
    Written { affected, returned, nodes }
}
