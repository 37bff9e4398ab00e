//! How far a cluster is from having the nodes that are wanted, for operators: work that begins when they differ and is over
//! when they do not.

use super::status::{NodeState, Status};
use crate::model::{EndpointName, Events, Work, WorkKind};

/// Tells how far it is.
pub(super) struct Growth {
    events: Events,
    /// While something is left to do, with the most that was.
    work: Option<(Work, u64)>,
}

impl Growth {
    /// Tells there.
    pub(super) fn new(events: Events) -> Self {
        Self { events, work: None }
    }

    /// Looks at how things stand: nodes that are wanted and do not run, and nodes that are not wanted and are there.
    pub(super) fn look(&mut self, status: &Status) {
        let is_up = |name: &EndpointName| {
            status.nodes.iter().any(|node| node.name == *name && node.state == NodeState::Running)
        };
        let missing = status.desired.iter().filter(|name| !is_up(name)).count();
        let leaving = status.nodes.iter().filter(|node| !status.desired.contains(&node.name)).count();
        let left = (missing + leaving) as u64;
        if left == 0 {
            self.work = None;
            return;
        }
        let begin = || (self.events.works().begin(WorkKind::Scale, status.cluster.as_str(), "nodes"), left);
        let (work, most) = self.work.get_or_insert_with(begin);
        *most = left.max(*most);
        work.is_at(*most - left, Some(*most));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::model::{ClusterName, Progress, WorkChange, Works};
    use crate::scaling::NodeStatus;

    /// What was told, in order.
    type Told = Vec<(Arc<Progress>, WorkChange)>;

    #[test]
    fn it_goes_from_the_first_node_that_is_missing_to_the_last_that_is_not() {
        let told: Arc<Mutex<Told>> = Arc::default();
        let listener = Arc::clone(&told);
        let works = Works::to(move |work, change| listener.lock().unwrap().push((Arc::clone(work), change)));
        let mut growth = Growth::new(Events::nowhere().with_works(works));
        let name = |name: &&str| EndpointName::new(name).unwrap();
        let mut look = |desired: &[&str], nodes: &[(&str, NodeState)]| {
            let node = |(named, state): &(&str, NodeState)| NodeStatus {
                name: name(named),
                address: None,
                state: *state,
                trouble: None,
            };
            growth.look(&Status {
                cluster: ClusterName::new("web").unwrap(),
                desired: desired.iter().map(name).collect(),
                least: 1,
                most: 9,
                nodes: nodes.iter().map(node).collect(),
                cooldown_left: None,
                trouble: None,
            });
            let told = told.lock().unwrap();
            told.last().map(|(work, change)| (work.done(), work.total(), *change))
        };
        let (up, starting) = (NodeState::Running, NodeState::Starting);
        assert_eq!(look(&["a"], &[("a", up)]), None);
        assert_eq!(look(&["a", "b", "c"], &[("a", up), ("b", starting)]), Some((0, Some(2), WorkChange::Begun)));
        assert_eq!(look(&["a", "b", "c"], &[("a", up), ("b", up)]), Some((1, Some(2), WorkChange::Begun)));
        let all = [("a", up), ("b", up), ("c", up)];
        assert_eq!(look(&["a", "b", "c"], &all).unwrap().2, WorkChange::Ended);
        // Fewer: those that leave are to go.
        assert_eq!(look(&["a"], &all), Some((0, Some(2), WorkChange::Begun)));
        assert_eq!(look(&["a"], &[("a", up)]).unwrap().2, WorkChange::Ended);
    }
}
