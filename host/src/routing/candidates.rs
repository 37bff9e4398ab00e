//! The candidates: the members of a roster that may be chosen. A strategy gets them whole when they change, and only
//! then.

use std::sync::Arc;

use crate::cluster::{Member, Roster};
use crate::model::EndpointId;

/// Members that may be chosen, ordered by id.
#[derive(Debug, Default)]
pub struct Candidates {
    generation: u64,
    members: Vec<Arc<Member>>,
}

impl Candidates {
    /// The candidates of a roster.
    pub fn of(roster: &Roster) -> Self {
        Self { generation: roster.generation(), members: roster.ready().to_vec() }
    }

    /// The generation of the roster that they were taken from.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// All of them, ordered by id.
    pub fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The one with this id.
    pub fn get(&self, id: EndpointId) -> Option<&Arc<Member>> {
        let at = self.members.binary_search_by_key(&id, |member| member.id()).ok()?;
        self.members.get(at)
    }
}
