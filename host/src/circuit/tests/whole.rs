//! The circuits of a cluster: who keeps which, what is told, what a turned off circuit does.

use std::time::{Duration, Instant};

use futures_util::FutureExt;

use super::super::Circuits;
use super::{Log, MILLI, settings};
use crate::config::Circuit;
use crate::model::CircuitState::{Closed, HalfOpen, Open};
use crate::model::{ClusterName, EndpointId, EndpointName, Events};

const ONE: EndpointId = EndpointId(1);
const TWO: EndpointId = EndpointId(2);

fn circuits(settings: Option<Circuit>, events: Events) -> Circuits {
    let circuits = Circuits::new(ClusterName::new("shop").unwrap(), settings, events);
    circuits.follow(&[member(ONE), member(TWO)]);
    circuits
}

fn member(id: EndpointId) -> (EndpointId, EndpointName) {
    (id, EndpointName::new(&format!("node-{id}")).unwrap())
}

fn fail(circuits: &Circuits, endpoint: EndpointId, times: u32, now: Instant) {
    for _ in 0..times {
        circuits.gate(endpoint).unwrap().admit(now).unwrap().failed(now, "connection refused");
    }
}

#[test]
fn every_transition_is_told_with_its_cause_and_wakes_whoever_waits() {
    let (log, now) = (Log::default(), Instant::now());
    let thirty =
        Circuit { open_for: Duration::from_secs(30), open_at_most: Duration::from_secs(300), ..settings(5, 1) };
    let circuits = circuits(Some(thirty), log.events());
    assert!(circuits.changed().notified().now_or_never().is_none());
    fail(&circuits, ONE, 5, now);
    assert!(circuits.changed().notified().now_or_never().is_some());
    assert_eq!((circuits.state(ONE), circuits.state(TWO)), (Open, Closed));
    let later = circuits.gate(ONE).unwrap().opens_at().unwrap();
    circuits.tick(later - MILLI);
    assert_eq!(circuits.state(ONE), Open);
    circuits.tick(later);
    assert_eq!(circuits.state(ONE), HalfOpen);
    circuits.gate(ONE).unwrap().admit(later).unwrap().succeeded(later);
    let expected = [
        (Closed, Open, "5 failures in a row, the last: connection refused"),
        (Open, HalfOpen, "its 30 s are over"),
        (HalfOpen, Closed, "a trial request passed"),
    ];
    assert_eq!(log.told(), expected.map(|(from, to, cause)| (from, to, cause.to_owned())));
    let events = log.0.lock().unwrap();
    assert!(events.iter().all(|event| event.endpoint.as_ref().is_some_and(|name| name.as_str() == "node-1")));
}

#[test]
fn who_stays_keeps_its_circuit_and_who_comes_back_gets_a_closed_one() {
    let (circuits, now) = (circuits(Some(settings(1, 1)), Events::nowhere()), Instant::now());
    fail(&circuits, ONE, 1, now);
    circuits.follow(&[member(ONE)]);
    assert_eq!(circuits.state(ONE), Open);
    assert!(circuits.gate(TWO).is_none());
    circuits.configure(Some(settings(7, 2)));
    assert_eq!(circuits.state(ONE), Open);
    circuits.follow(&[member(TWO)]);
    circuits.follow(&[member(ONE), member(TWO)]);
    assert_eq!(circuits.state(ONE), Closed);
}

#[test]
fn a_new_endpoint_goes_by_the_settings_of_the_day() {
    let (circuits, now) = (circuits(Some(settings(9, 1)), Events::nowhere()), Instant::now());
    circuits.configure(Some(settings(1, 1)));
    circuits.follow(&[member(ONE), member(TWO), member(EndpointId(3))]);
    fail(&circuits, EndpointId(3), 1, now);
    assert_eq!(circuits.state(EndpointId(3)), Open);
}

#[test]
fn turned_off_it_closes_lets_everything_pass_and_forgets() {
    let (log, now) = (Log::default(), Instant::now());
    let circuits = circuits(Some(settings(2, 1)), log.events());
    fail(&circuits, ONE, 2, now);
    assert!(circuits.gate(ONE).unwrap().admit(now).is_none());
    circuits.configure(None);
    assert_eq!(circuits.state(ONE), Closed);
    assert_eq!(log.told().last().unwrap().2, "circuit breaking was turned off");
    fail(&circuits, ONE, 100, now);
    circuits.configure(Some(settings(2, 1)));
    fail(&circuits, ONE, 1, now);
    assert_eq!(circuits.state(ONE), Closed);
}
