//! What was decided, over all orders in which nodes may answer.

use proptest::prelude::*;

use super::super::ack::{Acknowledgement, Answer, Decision, Presence, Vote, decide, differs, is_acknowledged};
use super::super::log::Outcome;

fn applied(count: u64) -> Answer {
    Answer::Applied { affected: Some(vec![count]) }
}

fn refused() -> Answer {
    Answer::Refused { class: "23505".into(), message: "duplicate key".into() }
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        4 => Just(applied(1)),
        1 => Just(applied(2)),
        1 => Just(Answer::Applied { affected: None }),
        3 => Just(refused()),
    ]
}

fn policy() -> impl Strategy<Value = Acknowledgement> {
    prop_oneof![Just(Acknowledgement::AllUp), Just(Acknowledgement::Majority), Just(Acknowledgement::One)]
}

/// What happens to nodes, in order: one answers, or goes away.
#[derive(Clone, Debug)]
enum Event {
    Answers(usize, Answer),
    Leaves(usize),
}

fn events() -> impl Strategy<Value = (usize, Vec<Event>)> {
    (1..=5_usize).prop_flat_map(|nodes| {
        let event = prop_oneof![
            5 => (0..nodes, answer()).prop_map(|(node, answer)| Event::Answers(node, answer)),
            1 => (0..nodes).prop_map(Event::Leaves),
        ];
        (Just(nodes), prop::collection::vec(event, 0..12))
    })
}

#[derive(Clone)]
struct Nodes(Vec<(Presence, Option<Answer>)>);

impl Nodes {
    fn votes(&self) -> Vec<Vote<'_>> {
        self.0.iter().map(|(presence, answer)| Vote { presence: *presence, answer: answer.as_ref() }).collect()
    }

    fn happens(&mut self, event: &Event) {
        match event {
            // A node answers once; one that has gone does not.
            Event::Answers(node, answer) => {
                let (presence, said) = &mut self.0[*node];
                if *presence == Presence::Voting && said.is_none() {
                    *said = Some(answer.clone());
                }
            }
            Event::Leaves(node) => self.0[*node].0 = Presence::Away,
        }
    }
}

proptest! {
    #[test]
    fn it_is_decided_when_all_that_are_up_have_answered((nodes, events) in events(), policy in policy()) {
        let mut nodes = Nodes(vec![(Presence::Voting, None); nodes]);
        events.iter().for_each(|event| nodes.happens(event));
        let up = || nodes.0.iter().filter(|(presence, _)| *presence == Presence::Voting);
        if up().count() > 0 && up().all(|(_, answer)| answer.is_some()) {
            prop_assert!(decide(policy, &nodes.votes()).is_some());
        }
    }

    #[test]
    fn the_first_decision_agrees_with_an_acknowledged_success((nodes, events) in events(), policy in policy()) {
        let mut nodes = Nodes(vec![(Presence::Voting, None); nodes]);
        let mut decision: Option<Decision> = None;
        let mut is_told = false;
        for event in &events {
            nodes.happens(event);
            decision = decision.or_else(|| decide(policy, &nodes.votes()));
            let Some(Decision { outcome, .. }) = &decision else { continue };
            let was_told = is_told;
            is_told |= is_acknowledged(policy, outcome, &nodes.votes());
            if is_told && !was_told && matches!(outcome, Outcome::Applied { .. }) {
                let agree = nodes.0.iter().filter(|(_, answer)| {
                    answer.as_ref().is_some_and(|answer| differs(outcome, answer).is_none())
                });
                prop_assert!(agree.count() >= policy.least(nodes.0.len()), "acknowledged by too few");
            }
        }
    }

    #[test]
    fn the_order_of_nodes_is_no_matter_where_all_have_answered(
        answers in prop::collection::vec(answer(), 1..=5),
        policy in policy(),
        turn in 0..5_usize,
    ) {
        let whole = Nodes(answers.iter().map(|answer| (Presence::Voting, Some(answer.clone()))).collect());
        let mut turned = whole.clone();
        turned.0.rotate_left(turn % answers.len());
        let kind = |nodes: &Nodes| matches!(decide(policy, &nodes.votes()).unwrap().outcome, Outcome::Applied { .. });
        prop_assert_eq!(kind(&whole), kind(&turned));
        // Every node either agrees or is named.
        let decision = decide(policy, &whole.votes()).unwrap();
        for (node, answer) in answers.iter().enumerate() {
            let is_named = decision.differing.iter().any(|(named, _)| *named == node);
            prop_assert_eq!(is_named, differs(&decision.outcome, answer).is_some());
        }
    }
}

fn outcome(policy: Acknowledgement, answers: &[(Presence, Option<Answer>)]) -> Option<Decision> {
    decide(policy, &Nodes(answers.to_vec()).votes())
}

#[test]
fn most_nodes_win_and_a_success_wins_a_tie() {
    use Presence::Voting;
    let of = |answers: &[Answer]| {
        let votes: Vec<_> = answers.iter().map(|answer| (Voting, Some(answer.clone()))).collect();
        let decision = outcome(Acknowledgement::AllUp, &votes).unwrap();
        let differing: Vec<usize> = decision.differing.iter().map(|(node, _)| *node).collect();
        (matches!(decision.outcome, Outcome::Applied { .. }), differing)
    };
    assert_eq!(of(&[applied(1), refused(), refused()]), (false, vec![0]));
    assert_eq!(of(&[applied(1), applied(1), refused()]), (true, vec![2]));
    assert_eq!(of(&[applied(1), refused()]), (true, vec![1]));
    assert_eq!(of(&[applied(1), applied(2), applied(2)]), (true, vec![0]));
    assert_eq!(of(&[refused(), refused()]), (false, vec![]));
}

#[test]
fn a_node_that_has_gone_is_not_waited_for_and_one_that_was_not_asked_yet_is() {
    use Presence::{Away, Out, Unknown, Voting, Watching};
    let decided = |answers: &[_]| outcome(Acknowledgement::AllUp, answers).map(|decision| decision.outcome);
    assert!(decided(&[(Voting, Some(applied(1))), (Away, None), (Watching, None)]).is_some());
    assert!(decided(&[(Voting, Some(applied(1))), (Unknown, None)]).is_none());
    assert!(decided(&[(Voting, Some(refused())), (Voting, None)]).is_none());
    // What one has made lasting that has gone counts; what one has refused that has gone does not, by itself.
    assert!(matches!(decided(&[(Away, Some(applied(1))), (Voting, Some(refused()))]), Some(Outcome::Applied { .. })));
    assert_eq!(decided(&[(Away, Some(refused())), (Away, None)]), None);
    assert_eq!(decided(&[(Out, Some(applied(1))), (Away, None)]), None);
}

#[test]
fn a_success_that_one_has_is_enough_for_one_and_not_for_most() {
    use Presence::Voting;
    let votes = [(Voting, Some(applied(1))), (Voting, None), (Voting, None)];
    assert!(outcome(Acknowledgement::One, &votes).is_some());
    assert!(outcome(Acknowledgement::Majority, &votes).is_none());
    assert!(outcome(Acknowledgement::AllUp, &votes).is_none());
    // All that are up agree: that is decided; but most of the nodes do not have it.
    let votes = Nodes(vec![(Voting, Some(applied(1))), (Presence::Away, None), (Presence::Away, None)]);
    let decision = decide(Acknowledgement::Majority, &votes.votes()).unwrap();
    assert!(!is_acknowledged(Acknowledgement::Majority, &decision.outcome, &votes.votes()));
}

#[test]
fn nodes_that_differ_are_no_majority_together() {
    let (voting, majority) = (Presence::Voting, Acknowledgement::Majority);
    let some = |answer: Answer| (voting, Some(answer));
    assert_eq!(outcome(majority, &[some(applied(1)), some(applied(2)), (voting, None)]), None);
    let decision = outcome(majority, &[some(applied(1)), some(applied(2)), some(applied(2))]).expect("it is decided");
    assert_eq!(decision.outcome, Outcome::Applied { affected: vec![2] });
    assert_eq!(decision.differing.first().map(|(place, _)| *place), Some(0));
}
