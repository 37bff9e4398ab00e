//! The selector against strategies that keep the rules and strategies that do not.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, Method, StatusCode};
use tokio::sync::mpsc;

use super::*;
use crate::cluster::LiveCluster;
use crate::model::{
    Address, AdminState, Attempt, Carried, ClusterName, EndpointId, EndpointName, EndpointSpec, Events, Fault,
    ImportError, Outcome, PluginName, RequestHead, SeatHolder,
};

/// Answers what it is told to; state is what it was given.
#[derive(Default)]
struct Scripted {
    answer: Option<Result<Choice, Fault>>,
    state: Vec<u8>,
    refuses: bool,
}

impl Strategy for Scripted {
    fn candidates_changed(&mut self, _: &Arc<Candidates>) -> Result<(), Fault> {
        Ok(())
    }
    fn pick(&mut self, _: &Arc<RequestHead>, _: Attempt<'_>) -> Result<Choice, Fault> {
        self.answer.clone().unwrap_or(Ok(Choice::Fallback))
    }
    fn on_outcome(&mut self, _: &Outcome) -> Result<(), Fault> {
        Ok(())
    }
    fn export_state(&mut self) -> Result<Vec<u8>, Fault> {
        Ok(self.state.clone())
    }
    fn import_state(&mut self, _: &str, state: &[u8]) -> Result<(), ImportError> {
        if self.refuses {
            return Err(ImportError::Refused("not mine".into()));
        }
        self.state = state.to_vec();
        Ok(())
    }
}

struct World {
    selector: Selector,
    lost: mpsc::UnboundedReceiver<SeatLost>,
}

impl World {
    fn of(endpoints: u16) -> Self {
        let cluster = Arc::new(LiveCluster::new(ClusterName::new("web").unwrap(), Events::nowhere()));
        let spec = |port: u16| {
            EndpointSpec::new(
                EndpointName::new(&format!("e{port}")).unwrap(),
                Address::parse(&format!("127.0.0.1:{port}")).unwrap(),
            )
        };
        cluster.update(&(1..=endpoints).map(spec).collect::<Vec<_>>(), Instant::now());
        let (tell, lost) = mpsc::unbounded_channel();
        Self { selector: Selector::new(0, cluster, tell), lost }
    }

    fn seat(&mut self, strategy: Scripted) -> Arc<SeatFigures> {
        let (seat, figures) = seat_of(1, strategy);
        self.selector.replace(seat);
        figures
    }

    fn pick(&mut self, excluded: &[u32]) -> Result<u32, Option<StatusCode>> {
        let excluded: Vec<_> = excluded.iter().copied().map(EndpointId).collect();
        let attempt = Attempt { number: excluded.len() as u32, excluded: &excluded };
        match self.selector.pick(&request(), attempt) {
            Decision::Endpoint(member, _) => Ok(member.id().0),
            Decision::Reject(status, _) => Err(Some(status)),
            Decision::NoEndpoint => Err(None),
        }
    }
}

fn seat_of(revision: u64, strategy: Scripted) -> (Seat, Arc<SeatFigures>) {
    let figures = Arc::new(SeatFigures::default());
    let holder = SeatHolder { plugin: PluginName::new("scripted").unwrap(), revision, version: "1.0.0".into() };
    (Seat { holder, strategy: Box::new(strategy), figures: Arc::clone(&figures) }, figures)
}

fn answering(choice: Choice) -> Scripted {
    Scripted { answer: Some(Ok(choice)), ..Scripted::default() }
}

fn request() -> Arc<RequestHead> {
    Arc::new(RequestHead {
        method: Method::GET,
        uri: "/".parse().unwrap(),
        headers: HeaderMap::new(),
        host: None,
        client: IpAddr::from([127, 0, 0, 1]),
        statement: None,
    })
}

#[test]
fn without_a_strategy_the_candidates_take_turns() {
    let mut world = World::of(3);
    let picks: Vec<_> = (0..4).map(|_| world.pick(&[])).collect();
    assert_eq!(picks, [Ok(0), Ok(1), Ok(2), Ok(0)]);
    assert_eq!(world.pick(&[1]), Ok(2), "an excluded endpoint is passed over");
}

#[test]
fn a_cluster_without_endpoints_has_no_decision() {
    assert_eq!(World::of(0).pick(&[]), Err(None));
}

#[test]
fn an_answer_outside_the_candidates_costs_the_strategy_its_seat_and_nothing_else() {
    for excluded in [&[][..], &[7]] {
        let mut world = World::of(2);
        let figures = world.seat(answering(Choice::Endpoint(EndpointId(7))));
        assert!(world.pick(excluded).unwrap() < 2);
        assert_eq!(world.lost.try_recv().unwrap().fault, Fault::NotACandidate(EndpointId(7)));
        assert_eq!((figures.read().bad_answers, figures.read().fallbacks), (1, 1));
        assert!(world.pick(&[]).is_ok(), "serves on by fallback");
        assert_eq!((figures.read().picks, figures.read().fallbacks), (1, 2), "counted while nobody sits there");
    }
}

#[test]
fn an_endpoint_that_was_tried_is_no_candidate() {
    let mut world = World::of(2);
    world.seat(answering(Choice::Endpoint(EndpointId(0))));
    assert_eq!(world.pick(&[0]), Ok(1));
    assert!(world.lost.try_recv().is_ok());
}

#[test]
fn when_all_were_tried_all_may_be_tried_again() {
    let mut world = World::of(2);
    world.seat(answering(Choice::Endpoint(EndpointId(1))));
    assert_eq!(world.pick(&[0, 1]), Ok(1));
    assert!(world.lost.try_recv().is_err());
}

#[test]
fn only_what_the_roster_calls_ready_is_a_candidate() {
    let mut world = World::of(3);
    world.seat(answering(Choice::Endpoint(EndpointId(1))));
    assert_eq!(world.pick(&[]), Ok(1));
    let cluster = Arc::clone(world.selector.cluster());
    assert!(cluster.command(EndpointId(1), AdminState::Draining));
    assert_eq!(world.pick(&[]), Ok(0), "the strategy insists, and is not heard");
    assert!(matches!(world.lost.try_recv().unwrap().fault, Fault::NotACandidate(EndpointId(1))));
}

#[test]
fn rejections_need_a_status_that_says_so() {
    let rejecting = |status| answering(Choice::Reject(Rejection { status, reason: "no".into() }));
    let mut world = World::of(1);
    world.seat(rejecting(429));
    assert_eq!(world.pick(&[]), Err(Some(StatusCode::TOO_MANY_REQUESTS)));
    let figures = world.seat(rejecting(200));
    assert_eq!(world.pick(&[]), Ok(0));
    assert_eq!((figures.read().rejections, figures.read().bad_answers), (0, 1));
}

#[test]
fn headers_that_are_none_or_the_hosts_own_are_a_bad_answer() {
    for (name, value) in [("x", "a\r\nb"), ("Content-Length", "1"), ("transfer-encoding", "chunked")] {
        let mut world = World::of(1);
        let figures = world.seat(answering(Choice::Routed(EndpointId(0), vec![(name.into(), value.into())])));
        assert_eq!(world.pick(&[]), Ok(0));
        assert_eq!(figures.read().bad_answers, 1, "{name}");
    }
}

#[test]
fn more_headers_than_a_response_can_hold_are_a_bad_answer() {
    let many = |count: usize, bytes: usize| vec![("x-a".to_owned(), "b".repeat(bytes)); count];
    for headers in [many(33, 1), many(1, 9 << 10)] {
        let mut world = World::of(1);
        let figures = world.seat(answering(Choice::Routed(EndpointId(0), headers)));
        assert_eq!(world.pick(&[]), Ok(0));
        assert_eq!(figures.read().bad_answers, 1);
    }
}

#[test]
fn a_seat_is_refilled_only_when_it_is_empty() {
    let mut world = World::of(2);
    world.seat(answering(Choice::Endpoint(EndpointId(1))));
    let (late, figures) = seat_of(1, answering(Choice::Endpoint(EndpointId(0))));
    world.selector.refill(late);
    assert_eq!((world.pick(&[]), figures.read().picks), (Ok(1), 0));
}

#[test]
fn state_goes_over_and_a_refusal_leaves_the_old_strategy_seated() {
    let mut world = World::of(1);
    world.seat(Scripted { state: b"turn".to_vec(), ..answering(Choice::Endpoint(EndpointId(0))) });
    let (willing, _) = seat_of(2, Scripted::default());
    assert_eq!(world.selector.install(willing), Ok(Carried::Yes));
    world.selector.go_back();
    let (unwilling, figures) = seat_of(2, Scripted { refuses: true, ..Scripted::default() });
    assert_eq!(world.selector.install(unwilling), Err(ImportError::Refused("not mine".into())));
    world.pick(&[]).unwrap();
    assert_eq!(figures.read().picks, 0);
}

#[test]
fn the_same_version_under_another_configuration_starts_afresh() {
    let mut world = World::of(1);
    world.seat(Scripted { state: b"turn".to_vec(), ..Scripted::default() });
    let (same, _) = seat_of(1, Scripted { refuses: true, ..Scripted::default() });
    assert_eq!(world.selector.install(same), Ok(Carried::Nothing));
}

#[test]
fn an_older_version_is_not_asked_to_take_over_the_state_of_a_newer() {
    let mut world = World::of(1);
    let (newer, _) = seat_of(2, Scripted { state: b"turn".to_vec(), ..Scripted::default() });
    world.selector.replace(newer);
    let (older, _) = seat_of(1, Scripted { refuses: true, ..Scripted::default() });
    assert_eq!(world.selector.install(older), Ok(Carried::Nothing));
}

#[test]
fn going_back_to_an_empty_seat_leaves_it_empty() {
    let mut world = World::of(1);
    let (seat, figures) = seat_of(1, Scripted::default());
    world.selector.install(seat).unwrap();
    world.selector.go_back();
    world.pick(&[]).unwrap();
    assert_eq!(figures.read().picks, 0);
}
