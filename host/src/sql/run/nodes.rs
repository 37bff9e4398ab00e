//! Owns who is asked: of the nodes that hold a shard and may be asked, the one that the strategy of the cluster chooses and
//! its circuit lets through. A session goes with a permit of its circuit and a guard of its count, so whatever ends it, both
//! know; and the strategy hears how it went.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant as Clock;

use super::asker::Asker;
use super::spans;
use crate::circuit::{Circuits, Permit};
use crate::cluster::{InFlight, Member};
use crate::model::{Attempt, CircuitState, EndpointId, Failure, OpenSpan, Outcome};
use crate::routing::{Chooser, Decision};
use crate::sql::backend::{Backend, Fault, FaultKind, Session};
use crate::sql::dialect::Dialect;
use crate::sql::layout::{Layout, ShardNodes};
use crate::sql::topology::Shard;
use crate::sql::write::Lasting;

/// A node, and that its circuit lets a session through.
type Chosen = (Arc<Member>, Option<Permit>);

/// The nodes behind one entry, laid out.
pub struct Nodes {
    layout: Layout,
    backend: Arc<dyn Backend>,
    chooser: Arc<Chooser>,
    circuits: Arc<Circuits>,
    /// How long the entry gives a statement by itself: who was given much less and ran out of it is not to blame.
    patience: Duration,
    lasting: Lasting,
}

/// Which node a session is to be with.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// It holds this.
    pub shard: Shard,
    /// It is none of these.
    pub excluded: &'a [EndpointId],
    /// On behalf of whom it is asked.
    pub asker: &'a Asker,
    /// How often another one was asked before.
    pub attempt: u32,
}

impl<'a> Wanted<'a> {
    /// Any that holds a shard.
    pub fn any(shard: Shard, asker: &'a Asker) -> Self {
        Self { shard, excluded: &[], asker, attempt: 0 }
    }
}

impl Nodes {
    /// Those of a layout; `lasting` counts what must not be broken off.
    pub fn new(
        layout: Layout,
        backend: Arc<dyn Backend>,
        (chooser, circuits): (Arc<Chooser>, Arc<Circuits>),
        patience: Duration,
        lasting: Lasting,
    ) -> Self {
        Self { layout, backend, chooser, circuits, patience, lasting }
    }

    /// Counts what must not be broken off.
    pub fn lasting(&self) -> &Lasting {
        &self.lasting
    }

    /// What lies where.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What kind of database they are.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// The name of a shard.
    pub fn shard_name(&self, shard: Shard) -> String {
        match self.holders(shard) {
            Some(holders) => holders.name.clone(),
            None if shard == Shard::ANY => "any shard".into(),
            None => shard.to_string(),
        }
    }

    /// The names of the nodes that a shard's statements go to, one of them at a time.
    pub fn holder_names(&self, shard: Shard) -> String {
        if shard == Shard::ANY {
            return "any node".into();
        }
        let members = self.holders(shard).map_or(&[][..], |holders| &holders.members);
        let most = if self.layout.topology.is_split() { 1 } else { members.len() };
        let names: Vec<&str> = members.iter().take(most).map(|member| member.endpoint().spec.name.as_str()).collect();
        names.join(", ")
    }

    /// A session with a node. Its failure to open is told to the circuit.
    pub async fn session(&self, wanted: Wanted<'_>, due: Instant) -> Result<NodeSession, Unopened> {
        let chosen = self.pick(wanted)?;
        self.open(chosen, (wanted.asker, due)).await
    }

    /// The same for a statement that holds connections to several nodes, one to each, by a permit of `room`. Where the part
    /// of a split scan goes to a node that has its own, it needs one more permit. That is not waited for: of statements that
    /// hold connections and wait for more, none might ever go on.
    pub(super) async fn session_within(
        &self,
        room: &Arc<Semaphore>,
        wanted: Wanted<'_>,
        due: Instant,
    ) -> Result<NodeSession, Unopened> {
        let chosen = self.pick(wanted)?;
        let extra = match self.stands_in(wanted.shard, &chosen.0) {
            false => None,
            true => {
                let extra = Arc::clone(room).try_acquire_owned();
                Some(extra.map_err(|_| Unopened::crowded(self.shard_name(wanted.shard)))?)
            }
        };
        let session = self.open(chosen, (wanted.asker, due)).await?;
        Ok(NodeSession { extra, ..session })
    }

    /// Whether a node is asked for the part of another.
    fn stands_in(&self, shard: Shard, member: &Member) -> bool {
        let own = self.holders(shard).and_then(|holders| holders.members.first());
        self.layout.topology.is_split() && own.is_some_and(|own| own.id() != member.id())
    }

    fn pick(&self, wanted: Wanted<'_>) -> Result<Chosen, Unopened> {
        let chosen = match self.holders(wanted.shard) {
            Some(holders) => self.choose(holders.members.iter(), wanted)?,
            None if wanted.shard == Shard::ANY => {
                let everyone = self.layout.shards.iter().flat_map(|holders| &holders.members);
                self.choose(everyone, wanted)?
            }
            None => None,
        };
        chosen.ok_or_else(|| Unopened::nobody(self.shard_name(wanted.shard)))
    }

    fn holders(&self, shard: Shard) -> Option<&ShardNodes> {
        self.layout.shards.get(usize::from(shard.0))
    }

    /// The one that the strategy chooses of those that may be asked and their circuits let through. Where a scan is split,
    /// the one whose part it is, and others only in its place.
    fn choose<'a>(
        &self,
        members: impl Iterator<Item = &'a Arc<Member>>,
        wanted: Wanted<'_>,
    ) -> Result<Option<Chosen>, Unopened> {
        let asked = |member: &&Arc<Member>| {
            !wanted.excluded.contains(&member.id()) && self.circuits.state(member.id()) != CircuitState::Open
        };
        let mut members: Vec<&Arc<Member>> = members.filter(asked).collect();
        let is_free = !self.layout.topology.is_split() && self.holders(wanted.shard).is_none_or(|at| at.holders > 1);
        let now = Clock::now().into_std();
        while !members.is_empty() {
            let at = if is_free { self.next(&members, wanted)? } else { 0 };
            let member = members.remove(at);
            match self.circuits.gate(member.id()).map(|gate| gate.admit(now)) {
                Some(None) => {}
                admitted => return Ok(Some((Arc::clone(member), admitted.flatten()))),
            }
        }
        Ok(None)
    }

    /// Which of these the strategy chooses. It knows the whole cluster, and is kept to them by what it may not choose.
    fn next(&self, among: &[&Arc<Member>], wanted: Wanted<'_>) -> Result<usize, Unopened> {
        let at = |id: EndpointId| among.iter().position(|member| member.id() == id);
        let roster = self.chooser.cluster().roster();
        let others = roster.ready().iter().map(|member| member.id()).filter(|id| at(*id).is_none());
        let excluded: Vec<EndpointId> = others.collect();
        drop(roster);
        let attempt = Attempt { number: wanted.attempt, excluded: &excluded };
        let span = spans::picking(wanted.asker.trace(), self.chooser.cluster().name(), among.len());
        let chosen = match self.chooser.pick(wanted.asker.told(), attempt) {
            Decision::Endpoint(member, _) => at(member.id()),
            Decision::Reject(_, reason) => {
                spans::picked(span, Err(&reason));
                return Err(Unopened::rejected(self.shard_name(wanted.shard), &reason));
            }
            Decision::NoEndpoint => None,
        };
        // The roster has changed since the layout was made, or they wait for their first check: no strategy knows of them.
        let least = || among.iter().enumerate().min_by_key(|(_, member)| member.figures().in_flight());
        let chosen = chosen.or_else(|| least().map(|(at, _)| at)).unwrap_or_default();
        if let Some(member) = among.get(chosen) {
            spans::picked(span, Ok(&member.endpoint().spec.name));
        }
        Ok(chosen)
    }

    async fn open(&self, (member, permit): Chosen, (asker, due): (&Asker, Instant)) -> Result<NodeSession, Unopened> {
        let started = Clock::now().into_std();
        let patient = due.saturating_duration_since(started) * 2 >= self.patience;
        let chooser = Arc::clone(&self.chooser);
        let spec = &member.endpoint().spec;
        let span = spans::session(asker.trace(), self.backend.dialect(), (&spec.name, &spec.address));
        let in_flight = member.begin();
        let mut charge = Charge { in_flight, permit, member, chooser, started, answered: None, patient, span, rows: 0 };
        let opening = self.backend.session(&charge.member.endpoint().spec.address, due);
        let opened = match tokio::time::timeout_at(Clock::from_std(due), opening).await {
            Ok(opened) => opened,
            // That all connections are in use is what the backend says by itself.
            Err(_) => Err(Fault::new(FaultKind::TimedOut, "no connection in time")),
        };
        match opened {
            Ok(mut session) => {
                if let (Some(trace), Some(id)) = (asker.trace(), charge.span.as_ref().and_then(|span| span.id())) {
                    session.within(trace.context(id), trace.state());
                }
                Ok(NodeSession { session, charge, extra: None, dialect: self.backend.dialect() })
            }
            Err(fault) => {
                charge.settle(Err(&fault));
                Err(Unopened { name: charge.name().to_owned(), endpoint: Some(charge.member.id()), fault })
            }
        }
    }
}

/// Why there is no session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unopened {
    /// The node; the shard where no node could be asked.
    pub name: String,
    /// Which endpoint it is; none where no node could be asked.
    pub endpoint: Option<EndpointId>,
    /// Why.
    pub fault: Fault,
}

impl From<Unopened> for (String, Fault) {
    fn from(unopened: Unopened) -> Self {
        (unopened.name, unopened.fault)
    }
}

impl Unopened {
    fn nobody(name: String) -> Self {
        let fault = Fault::new(FaultKind::Busy, "no node that holds it may be asked now");
        Self { name, endpoint: None, fault }
    }

    fn rejected(name: String, reason: &str) -> Self {
        let fault = Fault::new(FaultKind::Busy, format!("the strategy of the cluster turns it away: {reason}"));
        Self { name, endpoint: None, fault }
    }

    fn crowded(name: String) -> Self {
        let fault =
            Fault::new(FaultKind::Busy, "no node has a connection free to stand in for the one that has failed");
        Self { name, endpoint: None, fault }
    }
}

/// A session with a node, which counts at the node for as long as it is held. Dropped without [`NodeSession::finish`] it
/// was abandoned, which says nothing of the node.
pub struct NodeSession {
    session: Box<dyn Session>,
    charge: Charge,
    #[allow(dead_code, reason = "counts until it is dropped, after the session")]
    extra: Option<OwnedSemaphorePermit>,
    dialect: Dialect,
}

impl NodeSession {
    /// The session itself.
    pub fn session(&mut self) -> &mut dyn Session {
        self.session.as_mut()
    }

    /// The name of the node.
    pub fn name(&self) -> &str {
        self.charge.name()
    }

    /// Which endpoint it is.
    pub fn endpoint(&self) -> EndpointId {
        self.charge.member.id()
    }

    /// Tells its trace, if it has one, what the node is asked.
    pub(in crate::sql) fn asks(&mut self, sql: &str) {
        if let Some(span) = &mut self.charge.span {
            spans::asks(span, self.dialect, sql);
        }
    }

    /// Counts rows that the node has answered, for its trace.
    pub(super) fn answers(&mut self, rows: usize) {
        self.charge.rows += rows as u64;
    }

    /// Notes when the node has begun to answer, if it has: how long its rows take to be sent on is not its doing alone.
    pub(super) fn answered(&mut self, at: Option<Instant>) {
        self.charge.answered = at;
    }

    /// Gives the session back, and tells the node's circuit and figures, and the strategy, how it went.
    pub fn finish(self, result: Result<(), &Fault>) {
        let Self { session, mut charge, extra, .. } = self;
        drop(session);
        drop(extra);
        charge.settle(result);
    }
}

/// What is counted at a node.
struct Charge {
    #[allow(dead_code, reason = "counts until it is dropped")]
    in_flight: InFlight,
    permit: Option<Permit>,
    member: Arc<Member>,
    chooser: Arc<Chooser>,
    started: Instant,
    /// When the first rows came.
    answered: Option<Instant>,
    patient: bool,
    /// In a box, so that a session without one is small.
    span: Option<Box<OpenSpan>>,
    rows: u64,
}

impl Charge {
    fn name(&self) -> &str {
        self.member.endpoint().spec.name.as_str()
    }

    /// Connections that fail or break, time that runs out and what the server lacks are the node's failures; statements that
    /// it refuses are not, and neither is a pool without a free connection.
    fn settle(&mut self, result: Result<(), &Fault>) {
        let now = Clock::now().into_std();
        if let Some(mut span) = self.span.take() {
            match result {
                Ok(()) => span.tell("db.response.returned_rows", self.rows),
                Err(fault) => spans::fails(&mut span, fault),
            }
            span.end(now);
        }
        let (told, failed) = match result.map_err(|fault| fault.kind) {
            Err(FaultKind::Connect) => (Err(Failure::Connect), Some(true)),
            Err(FaultKind::Lost) => (Err(Failure::Reset), Some(true)),
            Err(FaultKind::TimedOut) if self.patient => (Err(Failure::Timeout), Some(true)),
            Err(FaultKind::TimedOut | FaultKind::Busy) => (Err(Failure::Cancelled), None),
            Err(FaultKind::Failed) => (Ok(StatusCode::INTERNAL_SERVER_ERROR), Some(true)),
            Ok(()) => (Ok(StatusCode::OK), Some(false)),
            Err(
                FaultKind::Statement
                | FaultKind::Conflict
                | FaultKind::Overflow
                | FaultKind::Unsupported
                | FaultKind::TooLarge,
            ) => (Ok(StatusCode::BAD_REQUEST), Some(false)),
        };
        match (self.permit.take(), result) {
            (Some(permit), Err(fault)) if failed == Some(true) => permit.failed(now, &fault.message),
            (Some(permit), _) if failed == Some(false) => permit.succeeded(now),
            _ => {}
        }
        let latency = self.answered.unwrap_or(now).saturating_duration_since(self.started);
        let outcome = Outcome { endpoint: self.member.id(), latency, result: told };
        self.member.observe(&outcome, failed, now);
        self.chooser.tell(&outcome);
    }
}
