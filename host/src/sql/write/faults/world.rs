//! Nodes that keep what is written to them, and fail at the steps that a test names.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use tokio::sync::Semaphore;

use super::super::{Held, Lasting, Shards};
use crate::sql::backend::{Bound, Fault, FaultKind, Rows, Session, Step};
use crate::sql::plan::Load;
use crate::sql::shape::ColumnShape;
use crate::sql::topology::Shard;
use crate::sql::value::{Column, Row, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Open,
    Begin,
    Execute,
    Commit,
    Rollback,
    Shape,
}

/// What a node does when it comes to a step.
#[derive(Clone, Debug)]
pub(super) enum Mishap {
    Fails(FaultKind),
    /// It is done, and then the connection breaks.
    DoneAndLost,
    Panics,
    /// Waits for somebody to let it go on.
    Waits(Arc<Semaphore>),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// What is lasting.
    pub(super) done: Vec<String>,
    /// How often a statement was sent.
    pub(super) sent: usize,
    pub(super) affected: u64,
    pub(super) shape: Vec<ColumnShape>,
    pub(super) open: usize,
}

#[derive(Clone, Default)]
pub(super) struct World {
    nodes: Arc<Mutex<BTreeMap<String, Node>>>,
    mishaps: Arc<Mutex<Vec<(String, At, Mishap)>>>,
    pub(super) under_way: Lasting,
}

pub(super) fn name(shard: Shard) -> String {
    format!("n{}", shard.0)
}

impl World {
    pub(super) fn of(count: u16) -> Self {
        let world = Self::default();
        for shard in 0..count {
            world.nodes.lock().unwrap().insert(name(Shard(shard)), Node { affected: 1, ..Node::default() });
        }
        world
    }

    pub(super) fn mishap(&self, node: u16, at: At, mishap: Mishap) {
        self.mishaps.lock().unwrap().push((name(Shard(node)), at, mishap));
    }

    pub(super) fn node(&self, node: &str) -> Node {
        self.nodes.lock().unwrap().get(node).unwrap().clone()
    }

    pub(super) fn change<T>(&self, node: &str, change: impl FnOnce(&mut Node) -> T) -> T {
        change(self.nodes.lock().unwrap().get_mut(node).unwrap())
    }

    /// What becomes of a step: the error before it is done, or after.
    async fn meet(&self, node: &str, at: At) -> Result<bool, Fault> {
        let met = {
            let mut mishaps = self.mishaps.lock().unwrap();
            let found = mishaps.iter().position(|(of, step, _)| of == node && *step == at);
            found.map(|found| mishaps.remove(found).2)
        };
        match met {
            None => Ok(false),
            Some(Mishap::Fails(kind)) => Err(Fault::new(kind, "a mishap")),
            Some(Mishap::DoneAndLost) => Ok(true),
            Some(Mishap::Panics) => panic!("a mishap"),
            Some(Mishap::Waits(gate)) => {
                gate.acquire().await.unwrap().forget();
                Ok(false)
            }
        }
    }

    pub(super) fn lasting(&self) -> Vec<String> {
        let nodes = self.nodes.lock().unwrap();
        nodes.iter().filter(|(_, node)| !node.done.is_empty()).map(|(name, _)| name.clone()).collect()
    }
}

impl Shards for World {
    type Held = Fake;

    async fn open(&self, shard: Shard, _: Instant) -> Result<Fake, (String, Fault)> {
        let node = name(shard);
        match self.meet(&node, At::Open).await {
            Ok(_) => {
                self.change(&node, |node| node.open += 1);
                Ok(Fake { world: self.clone(), node, pending: None })
            }
            Err(fault) => Err((node, fault)),
        }
    }

    fn lasting(&self) -> &Lasting {
        &self.under_way
    }
}

pub(super) struct Fake {
    world: World,
    node: String,
    pending: Option<Vec<String>>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.world.change(&self.node, |node| node.open -= 1);
    }
}

impl Held for Fake {
    fn node(&self) -> &str {
        &self.node
    }

    fn session(&mut self) -> &mut dyn Session {
        self
    }

    fn finish(self, _: Result<(), &Fault>) {}
}

impl Fake {
    async fn run(&mut self, sql: &str) -> Result<u64, Fault> {
        self.world.change(&self.node, |node| node.sent += 1);
        let is_lost = self.world.meet(&self.node, At::Execute).await?;
        match &mut self.pending {
            Some(pending) => pending.push(sql.to_owned()),
            None => self.world.change(&self.node, |node| node.done.push(sql.to_owned())),
        }
        if is_lost { Err(Fault::new(FaultKind::Lost, "lost after")) } else { Ok(self.world.node(&self.node).affected) }
    }
}

impl Session for Fake {
    fn query<'a>(&'a mut self, bound: Bound<'a>) -> BoxFuture<'a, Result<Rows<'a>, Fault>> {
        async move {
            let rows = self.run(bound.sql).await?;
            let column = Column { name: "id".into(), declared: "INTEGER".into() };
            let rows = (0..rows).map(|row| vec![Value::Integer(i64::try_from(row).unwrap())]).collect();
            Ok(Rows { columns: vec![column], batches: stream::iter([Ok(rows)]).boxed() })
        }
        .boxed()
    }

    fn execute<'a>(&'a mut self, bound: Bound<'a>) -> BoxFuture<'a, Result<u64, Fault>> {
        self.run(bound.sql).boxed()
    }

    fn transact(&mut self, step: Step, _: Instant) -> BoxFuture<'_, Result<(), Fault>> {
        async move {
            let at = match step {
                Step::Begin | Step::Snapshot => At::Begin,
                Step::Commit => At::Commit,
                Step::Rollback => At::Rollback,
            };
            let is_lost = self.world.meet(&self.node, at).await?;
            match step {
                Step::Begin | Step::Snapshot => self.pending = Some(Vec::new()),
                Step::Rollback => self.pending = None,
                Step::Commit => {
                    let pending = self.pending.take().expect("a transaction");
                    self.world.change(&self.node, |node| node.done.extend(pending));
                }
            }
            if is_lost { Err(Fault::new(FaultKind::Lost, "lost after")) } else { Ok(()) }
        }
        .boxed()
    }

    fn load<'a>(
        &'a mut self,
        _: &'a Load,
        _: &'a [Column],
        _: Vec<Row>,
        _: Instant,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        async { Ok(()) }.boxed()
    }

    fn shape<'a>(&'a mut self, _: &'a str, _: Instant) -> BoxFuture<'a, Result<Vec<ColumnShape>, Fault>> {
        async move {
            self.world.meet(&self.node, At::Shape).await?;
            Ok(self.world.node(&self.node).shape)
        }
        .boxed()
    }
}
