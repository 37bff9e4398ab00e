//! Real threads on one gate: never more trials under way in a half-open period than there may be, and events that
//! follow one another.

use std::array;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use tokio::sync::Notify;

use super::super::gate::{Gate, Herald};
use super::{Log, MILLI, settings};
use crate::model::{Change, CircuitState, ClusterName, EndpointName};

const THREADS: u64 = 8;
const ROUNDS: u64 = 20_000;
const TRIALS: u32 = 3;
/// More than there are transitions.
const EPOCHS: usize = 100_000;

#[test]
fn threads_never_see_more_trials_than_there_may_be() {
    let log = Log::default();
    let herald = Herald {
        cluster: ClusterName::new("shop").unwrap(),
        endpoint: EndpointName::new("one").unwrap(),
        events: log.events(),
        changed: Arc::new(Notify::new()),
    };
    let gate = Gate::new(Some(settings(2, TRIALS)), herald);
    let (gate, start, clock) = (Arc::new(gate), Instant::now(), AtomicU64::new(0));
    let under_way: Vec<AtomicU32> = (0..EPOCHS).map(|_| AtomicU32::new(0)).collect();
    let (trials, barrier) = (AtomicU32::new(0), Barrier::new(THREADS as usize));
    thread::scope(|scope| {
        for seed in 0..THREADS {
            let (gate, log, clock, under_way, trials, barrier) = (&gate, &log, &clock, &under_way, &trials, &barrier);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                barrier.wait();
                for _ in 0..ROUNDS {
                    let now = start + MILLI * clock.fetch_add(random.u64(0..20), SeqCst) as u32;
                    let permits: [_; 3] = array::from_fn(|_| gate.admit(now));
                    for permit in permits.iter().flatten() {
                        if log.state_in(permit.epoch.0) == CircuitState::HalfOpen {
                            trials.fetch_add(1, SeqCst);
                            let others = under_way[permit.epoch.0 as usize].fetch_add(1, SeqCst);
                            assert!(others < TRIALS, "{others} others under way in one half-open period");
                        }
                    }
                    if random.u8(0..4) == 0 {
                        thread::yield_now();
                    }
                    for permit in permits.into_iter().flatten() {
                        if log.state_in(permit.epoch.0) == CircuitState::HalfOpen {
                            under_way[permit.epoch.0 as usize].fetch_sub(1, SeqCst);
                        }
                        match random.u8(0..10) {
                            0 => drop(permit),
                            1..=2 => permit.failed(now, "reset"),
                            _ => permit.succeeded(now),
                        }
                    }
                    if random.u8(0..16) == 0 {
                        gate.tick(now);
                    }
                }
            });
        }
    });
    let told = log.told();
    assert!(told.len() < EPOCHS && trials.load(SeqCst) > 1_000, "{} transitions, {trials:?} trials", told.len());
    assert!(told.windows(2).all(|two| two[0].1 == two[1].0), "each transition begins where the one before ended");
    assert_eq!(told.last().map(|last| last.1), Some(gate.state()));
}

impl Log {
    /// The state in an epoch, as every transition begins another. One that is not told yet is closed: to be let through
    /// a half-open circuit takes the lock under which its transition was told.
    fn state_in(&self, epoch: u64) -> CircuitState {
        let log = self.0.lock().unwrap();
        match epoch.checked_sub(1).and_then(|last| log.get(last as usize)).map(|event| &event.change) {
            None => CircuitState::Closed,
            Some(Change::Circuit { to, .. }) => *to,
            Some(other) => panic!("no other change is told of here: {other:?}"),
        }
    }
}
