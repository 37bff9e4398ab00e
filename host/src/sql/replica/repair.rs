//! Owns what operators have done about nodes: filling one anew, comparing all. Each goes on by itself, and is seen by asking how
//! everything stands. All of it ends with the sequencer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::copy::{Route, copy};
use super::log::Position;
use super::mark::Mark;
use super::patience::{bounded, due};
use super::rebuild::NoRebuild;
use super::replicas::{Node, Replicas};
use super::sequence::Sequencer;
use super::state::State;
use super::verify::{Check, Running, Verifier};
use crate::model::EndpointName;
use crate::sql::backend::{Fault, FaultKind};

/// Why nodes cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoVerify {
    /// That goes on already.
    #[error("the nodes are being compared already")]
    UnderWay,
    /// There are too few.
    #[error("{0} of the nodes are up: it takes two to compare")]
    TooFew(usize),
}

/// What goes on.
#[derive(Debug, Default)]
pub(super) struct Repairs {
    check: Arc<Mutex<Option<Check>>>,
    tasks: Mutex<Vec<AbortHandle>>,
    /// Counts changes of tables.
    changes: watch::Sender<u64>,
}

impl Drop for Repairs {
    fn drop(&mut self) {
        self.tasks().iter().for_each(AbortHandle::abort);
    }
}

impl Repairs {
    /// Tables are about to change: whoever only looks at them makes way.
    pub(super) fn make_way(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn keep(&self, task: AbortHandle) {
        let mut tasks = self.tasks();
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
    }

    fn tasks(&self) -> MutexGuard<'_, Vec<AbortHandle>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sequencer {
    /// Fills a node anew from another one while writes go on. Returns when that has begun.
    ///
    /// # Errors
    /// Where it cannot begin; nothing was changed.
    pub async fn rebuild(&self, name: &str) -> Result<(), NoRebuild> {
        let replicas = self.replicas();
        let node = replicas.nodes.iter().find(|node| node.name.as_str() == name);
        let node = node.ok_or_else(|| NoRebuild::Unknown(name.to_owned()))?;
        // One that is only away is not taken out for that.
        let away = |fault: Fault| NoRebuild::Away(name.to_owned(), fault.message);
        let due = due(replicas.timing.connect);
        drop(bounded(due, replicas.backend.session(&node.address, due)).await.map_err(away)?);
        let rebuild = replicas.rebuild(&node.name)?;
        let source = rebuild.sources().first().and_then(|source| replicas.node(source));
        let source = source.ok_or_else(|| NoRebuild::NoSource(name.to_owned()))?;
        let route = Route {
            from: source.address.clone(),
            to: node.address.clone(),
            backend: Arc::clone(&replicas.backend),
            marks: replicas.marks().clone(),
        };
        let (kind, within) = (replicas.kind.clone(), replicas.timing.connect);
        let task = tokio::spawn(async move {
            let mut rebuild = rebuild;
            let filled = async {
                rebuild.clear().await?;
                route.begin(within).await.map_err(|fault| fault.message)?;
                copy(&kind, &route, &mut rebuild).await?;
                route.end(within).await
            };
            match filled.await {
                Ok(mark) => rebuild.finish(mark).await,
                Err(why) => rebuild.fail(&why),
            }
        });
        self.repairs.keep(task.abort_handle());
        Ok(())
    }

    /// Compares all nodes that are up, table by table. Returns when that has begun.
    ///
    /// # Errors
    /// Where it cannot begin.
    pub fn verify(self: &Arc<Self>) -> Result<(), NoVerify> {
        let is_up = |node: &super::replicas::NodeStatus| node.state == State::Up;
        let up = self.status().nodes.iter().filter(|node| is_up(node)).count();
        if up < 2 {
            return Err(NoVerify::TooFew(up));
        }
        {
            let mut check = self.repairs.check.lock().unwrap_or_else(PoisonError::into_inner);
            if matches!(*check, Some(Check::Running(_))) {
                return Err(NoVerify::UnderWay);
            }
            *check = Some(Check::Running(Running::default()));
        }
        let (dialect, check) = (self.replicas().marks().dialect(), Arc::clone(&self.repairs.check));
        let verifier = Verifier { dialect, check, work: self.replicas().verifying() };
        let task = tokio::spawn(verifier.run(Arc::downgrade(self), self.repairs.changes.subscribe()));
        self.repairs.keep(task.abort_handle());
        Ok(())
    }

    /// The comparison that goes on, or the last one.
    pub fn check(&self) -> Option<Check> {
        self.repairs.check.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Replicas {
    fn node(&self, name: &EndpointName) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == *name)
    }
}

impl Route {
    /// Takes away the watermark of the node that is filled: from now on nobody takes it for anything. If that of its source is
    /// gone by that, both are one database, and nothing of it may be replaced.
    pub(super) async fn begin(&self, within: std::time::Duration) -> Result<(), Fault> {
        let due = due(within);
        let mut session = bounded(due, self.backend.session(&self.to, due)).await?;
        bounded(due, self.marks.ensure(session.as_mut(), due)).await?;
        let had = bounded(due, self.marks.read(session.as_mut(), due)).await?;
        bounded(due, self.marks.forget(session.as_mut(), due)).await?;
        let mut source = bounded(due, self.backend.session(&self.from, due)).await?;
        if bounded(due, self.marks.read(source.as_mut(), due)).await?.is_some() {
            return Ok(());
        }
        if let Some(Mark { position, last, .. }) = had {
            bounded(due, self.marks.adopt(session.as_mut(), (position, &last), due)).await?;
        }
        let why = format!("{} and {} have one watermark, so that they are one database", self.from, self.to);
        Err(Fault::new(FaultKind::Failed, why))
    }

    /// The watermark that it was filled with.
    async fn end(&self, within: std::time::Duration) -> Result<Position, String> {
        let due = due(within);
        let found = async {
            let mut session = bounded(due, self.backend.session(&self.to, due)).await?;
            bounded(due, self.marks.read(session.as_mut(), due)).await
        };
        match found.await {
            Ok(Some(mark)) if mark.log == self.marks.log().0 => Ok(mark.position),
            Ok(_) => Err("what it was filled with has no watermark of this log".to_owned()),
            Err(fault) => Err(fault.message),
        }
    }
}
