//! What is decided of entries that a process finds in its log.

use std::sync::Arc;
use std::time::Instant;

use super::super::ack::{Acknowledgement, Answer};
use super::super::board::{Board, Claimed};
use super::super::log::{Entry, Kind, Position, Record, Statement};
use super::super::slot::Slot;
use super::super::state::{Filling, Standing, State};
use crate::sql::dialect::Dialect;

#[test]
fn of_an_entry_that_was_there_before_all_are_heard_who_come_to_it_and_not_only_who_was_ahead() {
    let (now, last) = (Instant::now(), Position(6));
    let slot = |node: u64| Slot::new(format!("n{node}"), Standing::new(Position(5)), false);
    let mut board = Board::new(Acknowledgement::AllUp, Dialect::Sqlite, (0..3).map(slot).collect(), last);
    let sql = "UPDATE t SET a = 'secret'".to_owned();
    let statement = Statement { sql, params: Vec::new(), returns: false, named: None };
    let entry = Entry { statements: vec![statement], kind: Kind::Change, moment: 0 };
    let record = Record { position: last, epoch: 1, entry: Arc::new(entry) };
    // One has done it before the process before this one ended, and is up by that.
    for (node, mark) in [(2, 6), (0, 5), (1, 5)] {
        board.stand(node, |standing| standing.connected(Position(mark), last, now));
    }
    assert_eq!(board.slots[2].standing.state(), &State::Up);
    assert_eq!(board.claim(0, &record), Claimed::AskLog);
    board.recall(last, None);
    for node in 0..2 {
        assert_eq!(board.claim(node, &record), Claimed::Fresh, "nothing is decided yet");
        let refused = Answer::Refused { class: "constraint".into(), message: "no".into() };
        board.answer(node, last, (refused, None), now);
    }
    let State::Inconsistent { statement, .. } = board.slots[2].standing.state() else { panic!("most have refused it") };
    assert_eq!(statement, "UPDATE t SET a = ?", "operators see no values");
    assert!(board.is_in_service(0) && board.is_in_service(1));
}

/// A board of nodes that answer, and stand at these marks.
fn standing(policy: Acknowledgement, marks: &[u64], last: Position, now: Instant) -> Board {
    let slot = |(node, mark): (usize, &u64)| Slot::new(format!("n{node}"), Standing::new(Position(*mark)), false);
    let mut board = Board::new(policy, Dialect::Sqlite, marks.iter().enumerate().map(slot).collect(), last);
    for (node, mark) in marks.iter().enumerate() {
        board.stand(node, |standing| standing.connected(Position(*mark), last, now));
    }
    board
}

#[test]
fn nobody_is_given_up_who_was_not_asked_or_while_no_node_that_is_up_has_more() {
    let (now, last) = (Instant::now(), Position(100));
    // After a restart, with what was noted before.
    let slot = |(node, mark)| Slot::new(format!("n{node}"), Standing::new(Position(mark)), false);
    let mut board = Board::new(Acknowledgement::One, Dialect::Sqlite, [(0, 98), (1, 100)].map(slot).into(), last);
    board.give_up_last("full");
    board.stand(1, |standing| standing.connected(last, last, now));
    board.give_up_last("full");
    assert!(board.is_in_service(0), "it may have more by now");
    board.stand(0, |standing| standing.connected(Position(98), last, now));
    board.give_up_last("full");
    assert!(!board.is_in_service(0) && board.is_in_service(1));
    // The one that has all has died.
    let mut board = standing(Acknowledgement::One, &[100, 50], last, now);
    board.stand(0, |standing| standing.failed("gone", now));
    board.give_up_last("full");
    assert!(board.is_in_service(1) && board.needless(false) == Position(50), "only the log has what it lacks");
}

#[test]
fn what_is_kept_for_one_that_is_being_filled_is_given_up_when_it_is_too_much() {
    let (now, last) = (Instant::now(), Position(100));
    let mut board = standing(Acknowledgement::One, &[100, 100], last, now);
    board.stand(1, |standing| standing.rebuilding(Filling::default()));
    board.slots[1].holds = Some(Position(40));
    assert_eq!(board.needless(false), Position(40));
    board.give_up_last("full");
    assert_eq!((board.slots[1].holds, board.needless(false)), (None, Position(100)));
}

#[test]
fn one_that_is_up_and_falls_far_behind_another_is_recovering() {
    let (now, last) = (Instant::now(), Position(0));
    let mut board = standing(Acknowledgement::One, &[0, 0, 0], last, now);
    for (node, mark) in [(0, 2_000), (1, 1_000), (2, 999)] {
        board.passed(node, Position(mark), now);
    }
    board.last = Position(3_000);
    board.leave_behind(now);
    let states: Vec<_> = board.slots.iter().map(|slot| slot.standing.state().name()).collect();
    assert_eq!(states, ["UP", "UP", "RECOVERING"]);
}

#[test]
fn what_a_node_has_said_is_in_the_air_until_it_is_decided() {
    let (now, last) = (Instant::now(), Position(0));
    let mut board = standing(Acknowledgement::AllUp, &[0, 0], last, now);
    let answer = |board: &mut Board, node| {
        board.answer(node, Position(1), (Answer::Applied { affected: Some(vec![1]) }, None), now);
    };
    answer(&mut board, 0);
    assert!(!board.is_decided(Position(1)) && board.is_decided(Position(0)));
    answer(&mut board, 1);
    assert!(board.is_decided(Position(1)));
}

#[test]
fn nobody_is_told_on_the_strength_of_a_node_being_out_before_the_log_knows_that_it_is() {
    let (now, last) = (Instant::now(), Position(0));
    let mut board = standing(Acknowledgement::AllUp, &[0, 0, 0], last, now);
    board.last = Position(2);
    let (tell, mut told) = tokio::sync::oneshot::channel();
    board.wait(Position(2), tell);
    let answer = |board: &mut Board, node, at, rows| {
        board.answer(node, Position(at), (Answer::Applied { affected: Some(vec![rows]) }, None), now);
        for (waiter, said) in std::mem::take(&mut board.out.told) {
            let _ = waiter.send(said);
        }
    };
    // The last one is first, and did something else with the first entry.
    for (node, rows) in [(2, 2), (0, 1), (1, 1)] {
        answer(&mut board, node, 1, rows);
        answer(&mut board, node, 2, 1);
    }
    assert!(!board.is_in_service(2));
    assert!(told.try_recv().is_err(), "after a crash it would be in service");
    let decided = board.take_decided();
    assert_eq!(decided.iter().map(|(at, _)| at.0).collect::<Vec<_>>(), [1, 2]);
    board.settled(&[Position(1), Position(2)], true);
    for (waiter, said) in std::mem::take(&mut board.out.told) {
        let _ = waiter.send(said);
    }
    assert!(told.try_recv().is_ok());
}
