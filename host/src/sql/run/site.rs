//! Owns where an entry's statements go: the nodes of its cluster, laid out anew when the roster or a circuit has changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;

use super::nodes::Nodes;
use crate::circuit::Circuits;
use crate::cluster::Roster;
use crate::config::SqlEntry;
use crate::routing::Chooser;
use crate::sql::backend::Backend;
use crate::sql::error::Error;
use crate::sql::layout::layout;
use crate::sql::write::Lasting;

/// What is behind an entry.
pub(super) struct Site {
    spec: Arc<SqlEntry>,
    backend: Arc<dyn Backend>,
    chooser: Arc<Chooser>,
    circuits: Arc<Circuits>,
    pub(super) lasting: Lasting,
    world: ArcSwapOption<World>,
    /// Counts the layouts that were different.
    layouts: AtomicU64,
}

/// The nodes as they were laid out, and by what it is seen whether they still are.
pub(super) struct World {
    generation: u64,
    states: u64,
    /// Stands for the topology of the nodes.
    pub(super) version: u64,
    pub(super) nodes: Arc<Nodes>,
}

impl Site {
    pub(super) fn new(
        spec: Arc<SqlEntry>,
        backend: Arc<dyn Backend>,
        chooser: Arc<Chooser>,
        circuits: Arc<Circuits>,
    ) -> Self {
        let (lasting, world, layouts) = (Lasting::default(), ArcSwapOption::empty(), AtomicU64::new(0));
        Self { spec, backend, chooser, circuits, lasting, world, layouts }
    }

    /// The nodes as they are laid out now.
    ///
    /// # Errors
    /// [`Error::Unready`] where those that there are do not make up the topology.
    pub(super) fn world(&self) -> Result<Arc<World>, Error> {
        let roster = self.chooser.cluster().roster();
        let (generation, states) = (roster.generation(), self.states(&roster));
        let before = self.world.load_full();
        if let Some(world) = &before
            && (world.generation, world.states) == (generation, states)
        {
            return Ok(Arc::clone(world));
        }
        let layout = layout(&self.spec, &roster, &self.circuits).map_err(|error| Error::Unready(error.to_string()))?;
        let version = match before {
            Some(world) if *world.nodes.layout().topology == *layout.topology => world.version,
            // Kept below what is shifted for the version of a plan.
            _ => self.layouts.fetch_add(1, Ordering::Relaxed) & u64::from(u32::MAX),
        };
        let backend = Arc::clone(&self.backend);
        let choosing = (Arc::clone(&self.chooser), Arc::clone(&self.circuits));
        let (patience, lasting) = (self.spec.limits.timeout, self.lasting.clone());
        let nodes = Arc::new(Nodes::new(layout, backend, choosing, patience, lasting));
        let world = Arc::new(World { generation, states, version, nodes });
        self.world.store(Some(Arc::clone(&world)));
        Ok(world)
    }

    /// The states of the circuits of those that may be chosen, as one number.
    fn states(&self, roster: &Roster) -> u64 {
        let state = |id| self.circuits.state(id) as u64 + 1;
        roster.ready().iter().fold(0, |all, member| all.wrapping_mul(31).wrapping_add(state(member.id())))
    }
}
