//! What holds of circuits under any interleaving: the breaker, the gate and a third account of the same rules agree; a
//! half-open circuit never has more trials than it may; an open one admits nobody before its time.

mod agreement;
mod laws;
mod stress;
mod whole;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::test_runner::{Config, RngSeed};

use crate::config::{Circuit, FailureRatio};
use crate::model::{Change, CircuitState, Event, Events};

const MILLI: Duration = Duration::from_millis(1);

/// Property tests that try the same cases every time.
fn seeded(cases: u32) -> Config {
    Config { cases, rng_seed: RngSeed::Fixed(0x1e7e), failure_persistence: None, ..Config::default() }
}

/// Opens after `row` failures in a row, for 100 ms the first time and for 500 ms at most.
fn settings(row: u32, trials: u32) -> Circuit {
    Circuit {
        consecutive_failures: Some(row),
        failure_ratio: None,
        open_for: MILLI * 100,
        open_at_most: MILLI * 500,
        trials,
    }
}

/// The same with half of at least four requests within a second.
fn with_ratio(row: Option<u32>, trials: u32) -> Circuit {
    let ratio = FailureRatio { percent: 50, window: MILLI * 1_000, least_requests: 4 };
    Circuit { consecutive_failures: row, failure_ratio: Some(ratio), ..settings(1, trials) }
}

/// Keeps what is told.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Event>>>);

impl Log {
    fn events(&self) -> Events {
        let log = Arc::clone(&self.0);
        Events::to(move |event| log.lock().unwrap().push(event))
    }

    fn told(&self) -> Vec<(CircuitState, CircuitState, String)> {
        let told = |event: &Event| match event.change {
            Change::Circuit { from, to } => (from, to, event.cause.clone()),
            _ => panic!("no other change is told of here: {event:?}"),
        };
        self.0.lock().unwrap().iter().map(told).collect()
    }
}
