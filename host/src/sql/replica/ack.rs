//! Owns what an entry's outcome is, out of what the nodes say, and when a client may be told. Pure; the order in which nodes
//! answer is not known to it.
//!
//! A success counts as soon as so many nodes have made it lasting as the acknowledgement asks for. An error counts when all
//! that are up say it. Where nodes disagree most of them win, and a success wins a tie; who differs is named.

use super::log::Outcome;
pub use crate::config::Acknowledgement;

impl Acknowledgement {
    /// How many of so many nodes must have applied a write, at least.
    pub fn least(self, nodes: usize) -> usize {
        match self {
            Self::AllUp | Self::One => 1,
            Self::Majority => nodes / 2 + 1,
        }
    }
}

/// What a node says of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has made it lasting.
    Applied {
        /// Rows that each statement changed; none where only that it was applied is known.
        affected: Option<Vec<u64>>,
    },
    /// It refused it, and nothing changed.
    Refused {
        /// What kind of error that is.
        class: String,
        /// What it said.
        message: String,
    },
}

/// What a node has to do with the outcome of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// It is waited for.
    Voting,
    /// It answers, but is not waited for, as it has much else to apply before.
    Watching,
    /// It was not asked yet whether it is there.
    Unknown,
    /// It is not there. What it has made lasting before counts.
    Away,
    /// It is not as the others, and does not count.
    Out,
}

/// A node and what it has said so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vote<'a> {
    /// How it stands.
    pub presence: Presence,
    /// Its answer, if there is one.
    pub answer: Option<&'a Answer>,
}

impl Vote<'_> {
    fn is_waited_for(&self) -> bool {
        matches!(self.presence, Presence::Voting | Presence::Unknown) && self.answer.is_none()
    }
}

/// What was decided of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    /// The outcome.
    pub outcome: Outcome,
    /// The nodes that have said something else, by their places among the votes, and how they differ.
    pub differing: Vec<(usize, String)>,
}

/// The outcome, once it is certain.
pub(super) fn decide(policy: Acknowledgement, votes: &[Vote<'_>]) -> Option<Decision> {
    let counted = || votes.iter().filter(|vote| vote.presence != Presence::Out).filter_map(|vote| vote.answer);
    let applied = counted().filter(|answer| matches!(answer, Answer::Applied { .. })).count();
    let refused = counted().count() - applied;
    // Those that changed other rows than most did do not speak for the outcome.
    let alike = alike(counted()).into_iter().map(|(_, nodes)| nodes).max().unwrap_or(0);
    let is_enough = policy != Acknowledgement::AllUp && alike >= policy.least(votes.len());
    if !is_enough && votes.iter().any(Vote::is_waited_for) {
        return None;
    }
    // That somebody refused it who is gone by now says nothing about those who will come.
    let is_refused_here = votes.iter().any(|vote| {
        matches!(vote.presence, Presence::Voting | Presence::Watching)
            && matches!(vote.answer, Some(Answer::Refused { .. }))
    });
    let outcome = match (applied, refused) {
        (0, 0) => return None,
        (applied, refused) if is_enough || (applied >= refused && applied > 0) => {
            Outcome::Applied { affected: affected(counted()) }
        }
        _ if is_refused_here => error(counted())?,
        (0, _) => return None,
        _ => Outcome::Applied { affected: affected(counted()) },
    };
    let differs = |(place, vote): (usize, &Vote<'_>)| {
        let answer = vote.answer.filter(|_| vote.presence != Presence::Out)?;
        differs(&outcome, answer).map(|why| (place, why))
    };
    let differing = votes.iter().enumerate().filter_map(differs).collect();
    Some(Decision { outcome, differing })
}

/// Whether a client may be told of an outcome that is lasting.
pub(super) fn is_acknowledged(policy: Acknowledgement, outcome: &Outcome, votes: &[Vote<'_>]) -> bool {
    if matches!(outcome, Outcome::Refused { .. }) {
        return true;
    }
    let agrees = |vote: &&Vote<'_>| {
        vote.presence != Presence::Out && vote.answer.is_some_and(|answer| differs(outcome, answer).is_none())
    };
    let is_waiting = policy == Acknowledgement::AllUp && votes.iter().any(Vote::is_waited_for);
    !is_waiting && votes.iter().filter(agrees).count() >= policy.least(votes.len())
}

/// How an answer differs from an outcome; none where it does not, as far as is known.
pub(super) fn differs(outcome: &Outcome, answer: &Answer) -> Option<String> {
    match (outcome, answer) {
        // Which of several errors a server finds first is its own affair: nothing was changed by either.
        (Outcome::Refused { .. }, Answer::Refused { .. }) => None,
        (Outcome::Refused { message, .. }, Answer::Applied { .. }) => {
            Some(format!("it was done here, and elsewhere it was refused: {message}"))
        }
        (Outcome::Applied { .. }, Answer::Refused { message, .. }) => {
            Some(format!("it was refused here, and elsewhere it was done: {message}"))
        }
        (Outcome::Applied { .. }, Answer::Applied { affected: None }) => None,
        (Outcome::Applied { affected: elsewhere }, Answer::Applied { affected: Some(here) }) => {
            let is_alike = elsewhere.is_empty() || here.is_empty() || elsewhere == here;
            (!is_alike).then(|| format!("it changed {} here, and {} elsewhere", rows(here), rows(elsewhere)))
        }
    }
}

fn rows(affected: &[u64]) -> String {
    let counts: Vec<String> = affected.iter().map(u64::to_string).collect();
    format!("{} rows", counts.join(", "))
}

/// The counts that most nodes have; of equally many the one that is first in the list; empty where none are known.
fn affected<'a>(answers: impl Iterator<Item = &'a Answer>) -> Vec<u64> {
    let known = alike(answers);
    let most = known.iter().map(|(_, nodes)| *nodes).max();
    known.into_iter().find(|(_, nodes)| Some(*nodes) == most).map(|(counts, _)| counts.clone()).unwrap_or_default()
}

/// The counts that are known, and how many nodes have each.
fn alike<'a>(answers: impl Iterator<Item = &'a Answer>) -> Vec<(&'a Vec<u64>, usize)> {
    let mut known: Vec<(&Vec<u64>, usize)> = Vec::new();
    for answer in answers {
        let Answer::Applied { affected: Some(counts) } = answer else { continue };
        match known.iter_mut().find(|(other, _)| *other == counts) {
            Some((_, nodes)) => *nodes += 1,
            None => known.push((counts, 1)),
        }
    }
    known
}

fn error<'a>(mut answers: impl Iterator<Item = &'a Answer>) -> Option<Outcome> {
    answers.find_map(|answer| match answer {
        Answer::Refused { class, message } => Some(Outcome::Refused { class: class.clone(), message: message.clone() }),
        Answer::Applied { .. } => None,
    })
}
