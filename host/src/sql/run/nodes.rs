//! Owns who is asked: of the nodes that hold a shard, the one with the least under way whose circuit lets it through. A
//! session goes with a permit of its circuit and a guard of its count, so whatever ends it, both know.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant as Clock;

use crate::circuit::{Circuits, Permit};
use crate::cluster::{InFlight, Member};
use crate::model::{CircuitState, EndpointId, Failure, Outcome};
use crate::sql::backend::{Backend, Fault, FaultKind, Session};
use crate::sql::layout::{Layout, ShardNodes};
use crate::sql::topology::Shard;
use crate::sql::write::Lasting;

/// The nodes behind one entry, laid out.
pub struct Nodes {
    layout: Layout,
    backend: Arc<dyn Backend>,
    circuits: Arc<Circuits>,
    /// How long the entry gives a statement by itself: who was given much less and ran out of it is not to blame.
    patience: Duration,
    lasting: Lasting,
    turn: AtomicUsize,
}

impl Nodes {
    /// Those of a layout; `lasting` counts what must not be broken off.
    pub fn new(
        layout: Layout,
        backend: Arc<dyn Backend>,
        circuits: Arc<Circuits>,
        patience: Duration,
        lasting: Lasting,
    ) -> Self {
        Self { layout, backend, circuits, patience, lasting, turn: AtomicUsize::new(0) }
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

    /// A session with a node that holds `shard` and is none of `excluded`. Its failure to open is told to the circuit.
    pub async fn session(&self, shard: Shard, excluded: &[EndpointId], due: Instant) -> Result<NodeSession, Unopened> {
        let chosen = self.pick(shard, excluded)?;
        self.open(chosen, due).await
    }

    /// The same for a statement that holds connections to several nodes, one to each, by a permit of `room`. Where the part
    /// of a split scan goes to a node that has its own, it needs one more permit. That is not waited for: of statements that
    /// hold connections and wait for more, none might ever go on.
    pub(super) async fn session_within(
        &self,
        room: &Arc<Semaphore>,
        (shard, excluded): (Shard, &[EndpointId]),
        due: Instant,
    ) -> Result<NodeSession, Unopened> {
        let chosen = self.pick(shard, excluded)?;
        let extra = match self.stands_in(shard, &chosen.0) {
            false => None,
            true => {
                let extra = Arc::clone(room).try_acquire_owned();
                Some(extra.map_err(|_| Unopened::crowded(self.shard_name(shard)))?)
            }
        };
        let session = self.open(chosen, due).await?;
        Ok(NodeSession { extra, ..session })
    }

    /// Whether a node is asked for the part of another.
    fn stands_in(&self, shard: Shard, member: &Member) -> bool {
        let own = self.holders(shard).and_then(|holders| holders.members.first());
        self.layout.topology.is_split() && own.is_some_and(|own| own.id() != member.id())
    }

    fn pick(&self, shard: Shard, excluded: &[EndpointId]) -> Result<(Arc<Member>, Option<Permit>), Unopened> {
        let chosen = match self.holders(shard) {
            Some(holders) => self.choose(holders.members.iter(), excluded),
            None if shard == Shard::ANY => {
                let everyone = self.layout.shards.iter().flat_map(|holders| &holders.members);
                self.choose(everyone, excluded)
            }
            None => None,
        };
        chosen.ok_or_else(|| Unopened::nobody(self.shard_name(shard)))
    }

    fn holders(&self, shard: Shard) -> Option<&ShardNodes> {
        self.layout.shards.get(usize::from(shard.0))
    }

    /// The one with the least under way that its circuit lets through; of equal ones each in its turn. Where a scan is
    /// split, the one whose part it is, and others only in its place.
    fn choose<'a>(
        &self,
        members: impl Iterator<Item = &'a Arc<Member>>,
        excluded: &[EndpointId],
    ) -> Option<(Arc<Member>, Option<Permit>)> {
        let asked = |member: &&Arc<Member>| {
            !excluded.contains(&member.id()) && self.circuits.state(member.id()) != CircuitState::Open
        };
        let mut members: Vec<&Arc<Member>> = members.filter(asked).collect();
        if members.len() > 1 && !self.layout.topology.is_split() {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % members.len();
            members.rotate_left(turn);
            members.sort_by_key(|member| member.figures().in_flight());
        }
        let now = Clock::now().into_std();
        members.into_iter().find_map(|member| match self.circuits.gate(member.id()) {
            Some(gate) => gate.admit(now).map(|permit| (Arc::clone(member), Some(permit))),
            None => Some((Arc::clone(member), None)),
        })
    }

    async fn open(
        &self,
        (member, permit): (Arc<Member>, Option<Permit>),
        due: Instant,
    ) -> Result<NodeSession, Unopened> {
        let started = Clock::now().into_std();
        let patient = due.saturating_duration_since(started) * 2 >= self.patience;
        let mut charge = Charge { in_flight: member.begin(), permit, member, started, patient };
        let opening = self.backend.session(&charge.member.endpoint().spec.address, due);
        let opened = match tokio::time::timeout_at(Clock::from_std(due), opening).await {
            Ok(opened) => opened,
            // That all connections are in use is what the backend says by itself.
            Err(_) => Err(Fault::new(FaultKind::TimedOut, "no connection in time")),
        };
        match opened {
            Ok(session) => Ok(NodeSession { session, charge, extra: None }),
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

    /// Gives the session back, and tells the node's circuit and figures how it went.
    pub fn finish(self, result: Result<(), &Fault>) {
        let Self { session, mut charge, extra } = self;
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
    started: Instant,
    patient: bool,
}

impl Charge {
    fn name(&self) -> &str {
        self.member.endpoint().spec.name.as_str()
    }

    /// Connections that fail or break, time that runs out and what the server lacks are the node's failures; statements that
    /// it refuses are not, and neither is a pool without a free connection.
    fn settle(&mut self, result: Result<(), &Fault>) {
        let now = Clock::now().into_std();
        let (told, failed) = match result.map_err(|fault| fault.kind) {
            Err(FaultKind::Connect) => (Err(Failure::Connect), Some(true)),
            Err(FaultKind::Lost) => (Err(Failure::Reset), Some(true)),
            Err(FaultKind::TimedOut) if self.patient => (Err(Failure::Timeout), Some(true)),
            Err(FaultKind::TimedOut | FaultKind::Busy) => (Err(Failure::Cancelled), None),
            Err(FaultKind::Failed) => (Ok(StatusCode::INTERNAL_SERVER_ERROR), Some(true)),
            Ok(()) => (Ok(StatusCode::OK), Some(false)),
            Err(FaultKind::Statement | FaultKind::Overflow | FaultKind::Unsupported | FaultKind::TooLarge) => {
                (Ok(StatusCode::BAD_REQUEST), Some(false))
            }
        };
        match (self.permit.take(), result) {
            (Some(permit), Err(fault)) if failed == Some(true) => permit.failed(now, &fault.message),
            (Some(permit), _) if failed == Some(false) => permit.succeeded(now),
            _ => {}
        }
        let latency = now.saturating_duration_since(self.started);
        self.member.observe(&Outcome { endpoint: self.member.id(), latency, result: told }, failed, now);
    }
}
