//! The host's own round robin: what serves while a strategy does not.

use std::sync::Arc;

use super::candidates::Candidates;
use crate::cluster::Member;
use crate::model::EndpointId;

/// Takes the candidates in turn, without the excluded ones.
#[derive(Debug, Default)]
pub struct RoundRobin {
    next: usize,
}

impl RoundRobin {
    /// The next candidate; none when all are excluded.
    pub fn pick(&mut self, candidates: &Candidates, excluded: &[EndpointId]) -> Option<Arc<Member>> {
        let members = candidates.members();
        for _ in members {
            let member = members.get(self.next % members.len())?;
            self.next = self.next.wrapping_add(1) % members.len();
            if !excluded.contains(&member.id()) {
                return Some(Arc::clone(member));
            }
        }
        None
    }
}
