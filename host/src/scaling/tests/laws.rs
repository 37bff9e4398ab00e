//! What holds whatever happens: no desired, sound node is stopped; of one node there is one action at a time; in the end
//! exactly the desired nodes run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::driver::{DriverError, Node};
use super::super::reconcile::{Action, Life, Reconciler};
use super::super::record::Timing;
use crate::model::{Address, EndpointName};

const SECOND: Duration = Duration::from_secs(1);
const TIMING: Timing = Timing {
    check_interval: Duration::from_secs(10),
    check_timeout: Duration::from_secs(5),
    replace_after: Duration::from_secs(2),
    drain_timeout: Duration::from_secs(30),
};

#[derive(Clone, Copy)]
struct Real {
    is_sound: bool,
    is_running: bool,
}

enum Under {
    Start(EndpointName),
    Stop(EndpointName),
    Probe(EndpointName, Life, bool),
}

/// A world in which time goes from one event to the next.
struct World {
    now: Instant,
    random: fastrand::Rng,
    is_rough: bool,
    reconciler: Reconciler,
    desired: Vec<EndpointName>,
    real: BTreeMap<EndpointName, Real>,
    under_way: Vec<(Instant, Under)>,
    next_list: Instant,
    last_answer: BTreeMap<EndpointName, bool>,
    most_replaced: usize,
    replaced: BTreeSet<EndpointName>,
}

fn name(number: usize) -> EndpointName {
    EndpointName::new(&format!("web-{number}")).unwrap()
}

fn address() -> Address {
    Address::parse("127.0.0.1:80").unwrap()
}

impl World {
    fn new(seed: u64) -> Self {
        let now = Instant::now();
        Self {
            now,
            random: fastrand::Rng::with_seed(seed),
            is_rough: true,
            reconciler: Reconciler::new(TIMING),
            desired: (1..=3).map(name).collect(),
            real: BTreeMap::new(),
            under_way: Vec::new(),
            next_list: now,
            last_answer: BTreeMap::new(),
            most_replaced: 0,
            replaced: BTreeSet::new(),
        }
    }

    fn unlucky(&mut self, one_in: u32) -> bool {
        self.is_rough && self.random.u32(..one_in) == 0
    }

    fn mishaps(&mut self) {
        if self.unlucky(20) {
            self.desired = (1..=5).filter(|_| self.random.bool()).map(name).collect();
        }
        for name in self.real.keys().cloned().collect::<Vec<_>>() {
            if self.unlucky(30) {
                let is_sound = !self.real[&name].is_sound;
                self.real.insert(name.clone(), Real { is_sound, ..self.real[&name] });
            }
            if self.unlucky(60) {
                self.real.insert(name, Real { is_sound: false, is_running: false });
            }
        }
    }

    fn list(&mut self) {
        let node = |(name, real): (&EndpointName, &Real)| Node {
            name: name.clone(),
            address: real.is_running.then(address),
            is_running: real.is_running,
        };
        let nodes: Vec<_> = self.real.iter().map(node).collect();
        self.reconciler.listed(&nodes, self.now);
        self.next_list = self.now + TIMING.check_interval;
    }

    fn finish(&mut self, under: Under) {
        let failure = self.unlucky(3);
        match under {
            Under::Start(name) => {
                let result = match failure {
                    true => Err(DriverError::Start("no luck".into())),
                    false => Ok(Node { name: name.clone(), address: Some(address()), is_running: true }),
                };
                if result.is_ok() {
                    let is_sound = !self.unlucky(4);
                    self.real.insert(name.clone(), Real { is_sound, is_running: true });
                }
                self.reconciler.started(&name, result, self.now);
            }
            Under::Stop(name) => {
                if !failure {
                    self.real.remove(&name);
                }
                let result = if failure { Err(DriverError::Stop("no luck".into())) } else { Ok(()) };
                self.reconciler.stopped(&name, result, self.now);
                self.next_list = self.now;
            }
            Under::Probe(name, life, is_sound) => {
                self.last_answer.insert(name.clone(), is_sound);
                let result = if is_sound { Ok(()) } else { Err("sick".to_owned()) };
                if is_sound {
                    self.replaced.remove(&name);
                }
                self.reconciler.probed(&name, life, result, self.now);
            }
        }
    }

    fn begin(&mut self, action: Action) {
        let takes = Duration::from_millis(self.random.u64(1..3_000));
        let busy = |world: &Self, wanted: &EndpointName| {
            world.under_way.iter().any(|(_, under)| match under {
                Under::Start(name) | Under::Stop(name) => name == wanted,
                Under::Probe(..) => false,
            })
        };
        let under = match action {
            Action::Start(name) => {
                assert!(self.desired.contains(&name) && !busy(self, &name), "{name} is started");
                self.last_answer.remove(&name);
                Under::Start(name)
            }
            Action::Stop(name) => {
                assert!(!busy(self, &name), "{name} is stopped while something is under way");
                let is_kept = self.desired.contains(&name) && self.last_answer.get(&name) == Some(&true);
                let runs = self.real.get(&name).is_some_and(|real| real.is_running);
                assert!(!(is_kept && runs), "{name} is desired and sound");
                Under::Stop(name)
            }
            Action::Probe(name, _, life) => {
                let is_sound = self.real.get(&name).is_some_and(|real| real.is_sound && real.is_running);
                Under::Probe(name, life, is_sound)
            }
            Action::Replace(name, _) => {
                self.replaced.insert(name);
                let here = self.replaced.iter().filter(|name| self.desired.contains(name)).count();
                self.most_replaced = self.most_replaced.max(here);
                return;
            }
            Action::Drain(name) => {
                assert!(!self.desired.contains(&name), "{name} is desired");
                return;
            }
        };
        self.under_way.push((self.now + takes, under));
    }

    fn step(&mut self) {
        self.mishaps();
        if self.now >= self.next_list {
            self.list();
        }
        let plan = self.reconciler.plan(&self.desired, |_| true, self.now);
        for action in plan.actions {
            self.begin(action);
        }
        let first = self.under_way.iter().map(|(at, _)| *at).min();
        let next = [Some(self.next_list), first, plan.again].into_iter().flatten().min().unwrap();
        self.now = self.now.max(next);
        let (due, later) = std::mem::take(&mut self.under_way).into_iter().partition(|(at, _)| *at <= self.now);
        self.under_way = later;
        let due: Vec<_> = due;
        due.into_iter().for_each(|(_, under)| self.finish(under));
    }

    fn heal(&mut self) {
        self.is_rough = false;
        for real in self.real.values_mut().filter(|real| real.is_running) {
            real.is_sound = true;
        }
    }

    fn runs(&self) -> Vec<EndpointName> {
        self.real.iter().filter(|(_, real)| real.is_running).map(|(name, _)| name.clone()).collect()
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }
}

proptest! {
    #[test]
    fn in_the_end_exactly_the_desired_nodes_run(seed: u64, rough in 0_usize..400) {
        let mut world = World::new(seed);
        for _ in 0..rough {
            world.step();
        }
        world.heal();
        // The longest pause, a check interval and what the actions take.
        world.run(120 * SECOND);
        let mut desired = world.desired.clone();
        desired.sort();
        prop_assert_eq!(world.runs(), desired.clone());
        let mut serving: Vec<_> = world.reconciler.serving(&world.desired).map(|(name, _)| name.clone()).collect();
        serving.sort();
        prop_assert_eq!(serving, desired);
        // And it stays so.
        for _ in 0..200 {
            world.step();
            prop_assert!(world.under_way.iter().all(|(_, under)| matches!(under, Under::Probe(..))));
        }
    }

    #[test]
    fn a_check_that_nobody_passes_replaces_a_third_and_no_more(seed: u64, nodes in 1_usize..12) {
        let mut world = World::new(seed);
        world.is_rough = false;
        world.desired = (1..=nodes).map(name).collect();
        world.run(60 * SECOND);
        for _ in 0..2_000 {
            world.real.values_mut().for_each(|real| real.is_sound = false);
            world.step();
        }
        prop_assert_eq!(world.most_replaced, (nodes / 3).max(1));
    }
}

#[test]
fn a_start_that_fails_is_tried_again_after_longer_and_longer() {
    let mut reconciler = Reconciler::new(TIMING);
    let (one, mut now) = ([name(1)], Instant::now());
    reconciler.listed(&[], now);
    let mut pauses = Vec::new();
    for _ in 0..9 {
        assert_eq!(reconciler.plan(&one, |_| true, now).actions, [Action::Start(name(1))]);
        reconciler.started(&name(1), Err(DriverError::Start("no luck".into())), now);
        let plan = reconciler.plan(&one, |_| true, now);
        assert_eq!(plan.actions, []);
        pauses.push((plan.again.unwrap() - now).as_secs());
        now = plan.again.unwrap();
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
}
