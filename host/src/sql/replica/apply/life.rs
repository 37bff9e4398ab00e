//! Owns the life of one session of an applier: finding out where the node stands, and then one entry after the other.

use std::convert::Infallible;
use std::time::Duration;

use super::entry::{Attempt, Done, Effects, attempt};
use super::fault::{Blame, blame, class};
use super::link::Link;
use super::{Applier, End, schema};
use crate::sql::backend::Fault;
use crate::sql::dialect::Dialect;
use crate::sql::replica::ack::{self, Answer};
use crate::sql::replica::adopt::{Known, Start, start};
use crate::sql::replica::board::{Claimed, Verdict};
use crate::sql::replica::journal::{Notes, written};
use crate::sql::replica::keeper::kept;
use crate::sql::replica::log::{Flush, Kind, LogError, Outcome, Position, Record};
use crate::sql::replica::mark::{Last, Mark, Move};

/// Records that are read at once.
const MOST_READ: usize = 128;
/// How often an entry is tried again at once when something was in its way, and how long to wait the first time.
const ATTEMPTS: u32 = 8;
const PAUSE: Duration = Duration::from_millis(5);

pub(super) fn node(fault: Fault) -> End {
    match blame(&fault) {
        Blame::Slow => End::Slow(fault.message),
        _ => End::Node(fault.message),
    }
}

pub(super) fn log(error: &LogError) -> End {
    End::Log(error.to_string())
}

/// How what an entry did on a node differs from what came of it.
fn otherwise(outcome: &Outcome, last: &Last) -> Option<String> {
    match (outcome, last) {
        (_, Last::Applied(affected)) => ack::differs(outcome, &Answer::Applied { affected: Some(affected.clone()) }),
        (Outcome::Applied { .. }, Last::Passed) => Some("it was passed here, and elsewhere it was done".to_owned()),
        (Outcome::Refused { .. }, Last::Passed) => None,
    }
}

impl Applier {
    /// Opens a session and applies what there is, until that fails.
    pub(super) async fn live(&mut self) -> End {
        match self.session().await {
            Err(end) => end,
        }
    }

    async fn session(&mut self) -> Result<Infallible, End> {
        let within = self.timing.connect;
        let connect = |fault: Fault| End::Node(fault.message);
        let mut link = Link::open(self.backend.as_ref(), &self.address, within).await.map_err(connect)?;
        let mark = self.start(&mut link).await?;
        link.allow(self.patience);
        self.follow(&mut link, mark).await
    }

    /// Finds out where the node stands, and whether it may go on from there.
    async fn start(&mut self, link: &mut Link) -> Result<Mark, End> {
        let failed = |fault: Fault| End::Node(fault.message);
        let found = link.found(&self.marks).await.map_err(failed)?;
        let is_new = self.shared.with(|board, _| board.slots.get(self.node).is_some_and(|slot| slot.is_new));
        let at = found.as_ref().map(|mark| mark.position).unwrap_or_default();
        let known = Known {
            log: self.marks.log(),
            epoch: self.marks.epoch(),
            trimmed: self.shared.journal.figures().trimmed,
            last: self.shared.journal.durable(),
            written: written(self.shared.journal.as_ref(), at).await.map_err(|error| log(&error))?,
            is_new,
        };
        match (start(found.as_ref(), &known), &found) {
            (Start::Resume, Some(mark)) if mark.epoch < known.epoch => {
                if !link.raise(&self.marks).await.map_err(failed)? {
                    return Err(End::Node("its watermark was moved by somebody else".to_owned()));
                }
            }
            (Start::Resume, _) => {}
            (Start::Adopt, _) => link.adopt(&self.marks).await.map_err(failed)?,
            (Start::Rebuild(why), _) => return Err(self.give_up(&why)),
            (Start::Fenced(epoch), _) if !self.is_only_writer(is_new).await? => return Err(End::Fenced(epoch)),
            (Start::Fenced(_) | Start::Beyond, found) => {
                let stands = found.as_ref().map(|mark| (mark.position, mark.epoch)).unwrap_or_default();
                return Err(End::Node(self.shared.beyond(self.node, stands)));
            }
        }
        let adopted = || Mark { log: String::new(), epoch: 0, position: Position(0), last: Vec::new(), pending: None };
        let mark = found.unwrap_or_else(adopted);
        if is_new {
            self.follows().await?;
        }
        self.resolve(&mark).await?;
        let last = self.shared.journal.durable();
        self.shared.with(|board, now| {
            let last = last.max(board.last);
            if let Some(slot) = board.slots.get_mut(self.node) {
                slot.beyond = None;
            }
            board.stand(self.node, |standing| standing.connected(mark.position, last, now));
        });
        self.go_on()?;
        Ok(mark)
    }

    /// Has the log know that the node follows it, before anything is applied: should its watermark be gone the next time, then
    /// nobody knows what it has.
    async fn follows(&self) -> Result<(), End> {
        self.note(false).await.map_err(|error| log(&error))?;
        self.shared.with(|board, _| {
            if let Some(slot) = board.slots.get_mut(self.node) {
                slot.is_new = false;
            }
        });
        Ok(())
    }

    /// Whether the log knows of no later writer: then a node that does has followed another copy of it.
    async fn is_only_writer(&self, is_new: bool) -> Result<bool, End> {
        match self.note(is_new).await {
            Ok(()) => Ok(true),
            Err(LogError::Fenced(_)) => Ok(false),
            Err(error) => Err(log(&error)),
        }
    }

    async fn note(&self, is_new: bool) -> Result<(), LogError> {
        let node = self.shared.with(|board, _| board.slots.get(self.node).map(|slot| kept(slot, is_new)));
        let notes = Notes { nodes: node.into_iter().collect(), outcomes: Vec::new() };
        self.shared.journal.note(notes, Flush::Now).await
    }

    /// Tells what became of what was in doubt, and compares what the node did last with what came of it.
    async fn resolve(&mut self, mark: &Mark) -> Result<(), End> {
        let doubt = std::mem::take(&mut self.doubt);
        if doubt.last().is_some_and(|(position, _)| *position == mark.position) {
            self.applied(doubt);
            return self.go_on();
        }
        let trimmed = self.shared.journal.figures().trimmed;
        let before = mark.trail().next().map_or(mark.position, |(first, _)| Position(first.0.saturating_sub(1)));
        let known = self.shared.journal.outcomes(before, mark.position).await.map_err(|error| log(&error))?;
        for (at, last) in mark.trail().filter(|(at, _)| *at > trimmed) {
            match (known.get(&at), last) {
                (Some(outcome), last) => {
                    if let Some(why) = otherwise(outcome, last) {
                        return Err(self.quarantine(at, &why));
                    }
                }
                // Nobody has heard what it says.
                (None, Last::Applied(affected)) => self.applied(vec![(at, Effects::of(affected.clone()))]),
                (None, Last::Passed) => {}
            }
        }
        self.go_on()
    }

    async fn follow(&mut self, link: &mut Link, mut mark: Mark) -> Result<Infallible, End> {
        loop {
            self.go_on()?;
            let records = match self.shared.journal.read(mark.position, MOST_READ).await {
                Ok(records) => records,
                Err(LogError::Trimmed(through)) => {
                    return Err(
                        self.give_up(&format!("it is at {}, and the log begins after {through}", mark.position))
                    );
                }
                Err(error) => return Err(log(&error)),
            };
            if records.is_empty() {
                self.idle(link, &mark).await?;
                continue;
            }
            if self.many(link, &mut mark, &records).await? {
                self.patience(link);
                continue;
            }
            // After one that must be alone, others may be done together.
            let alone = if self.backend.checks_each() { 1 } else { records.len() };
            for record in records.iter().take(alone) {
                self.one(link, &mut mark, record).await?;
                self.patience(link);
            }
        }
    }

    /// What has worked shows that no more patience is needed than usual.
    fn patience(&mut self, link: &mut Link) {
        self.patience = self.timing.apply;
        link.allow(self.patience);
    }

    /// Waits for more; from time to time sees whether the node is there, and as it was left.
    async fn idle(&self, link: &mut Link, mark: &Mark) -> Result<(), End> {
        let halted = self.shared.until(|board, _| (!board.is_in_service(self.node)).then_some(()));
        tokio::select! {
            biased;
            more = self.shared.journal.more(mark.position) => more.map_err(|error| log(&error)),
            () = halted => Err(End::Halted),
            () = tokio::time::sleep(self.timing.check) => self.check(link, mark).await,
        }
    }

    async fn check(&self, link: &mut Link, mark: &Mark) -> Result<(), End> {
        let found = link.mark(&self.marks).await.map_err(node)?;
        match found {
            Some(found) if found.position == mark.position && found.log == self.marks.log().0 => Ok(()),
            _ => Err(End::Node("its watermark is not where it was left".to_owned())),
        }
    }

    async fn one(&mut self, link: &mut Link, mark: &mut Mark, record: &Record) -> Result<(), End> {
        let position = record.position;
        let expected = match self.claim(record).await? {
            Some(Outcome::Refused { .. }) => {
                if schema::was_done(link, mark, position).await.map_err(node)? {
                    self.applied(vec![(position, Effects::of(vec![0]))]);
                    self.go_on()?;
                }
                return self.pass(link, mark, position).await;
            }
            known => known,
        };
        match self.persist(link, mark, record, expected.as_ref()).await? {
            Ok(effects) => {
                mark.moved(Move::past(position, effects.did()));
                self.applied(vec![(position, effects)]);
                self.go_on()
            }
            Err(fault) => {
                self.sound(link, mark).await?;
                let answer = Answer::Refused { class: class(&fault), message: fault.message };
                self.shared.with(|board, now| board.answer(self.node, position, (answer, None), now));
                self.pass(link, mark, position).await
            }
        }
    }

    /// What is known of an entry that the node comes to.
    pub(super) async fn claim(&self, record: &Record) -> Result<Option<Outcome>, End> {
        loop {
            match self.shared.with(|board, _| board.claim(self.node, record)) {
                Claimed::Known(outcome) => return Ok(Some(outcome)),
                Claimed::Fresh => return Ok(None),
                Claimed::Halted => return Err(End::Halted),
                Claimed::AskLog => {}
            }
            let before = Position(record.position.0.saturating_sub(1));
            let mut known = self.shared.journal.outcomes(before, record.position).await.map_err(|error| log(&error))?;
            self.shared.with(|board, _| board.recall(record.position, known.remove(&record.position)));
        }
    }

    /// Tries an entry until the node has done it, or refuses it.
    async fn persist(
        &mut self,
        link: &mut Link,
        mark: &mut Mark,
        record: &Record,
        expected: Option<&Outcome>,
    ) -> Result<Result<Effects, Fault>, End> {
        let is_lasting = self.marks.dialect() == Dialect::MySql && record.entry.kind == Kind::Schema;
        let (mut pause, mut why) = (PAUSE, String::new());
        for _ in 0..ATTEMPTS {
            let tried = match is_lasting {
                true => schema::attempt(link, &self.marks, mark, record).await,
                false => attempt(link, &self.marks, record, expected).await,
            };
            match tried.map_err(node)? {
                Attempt::Applied(effects) => return Ok(Ok(effects)),
                Attempt::Refused(fault) => return Ok(Err(fault)),
                Attempt::Differs(why) => return Err(self.quarantine(record.position, &why)),
                Attempt::Moved => return Err(End::Node("its watermark is not where it was left".to_owned())),
                Attempt::Again(fault) => why = fault.message,
                Attempt::Doubt(effects, fault) => {
                    why.clone_from(&fault.message);
                    match self.is_lasting(link, (mark.position, record.position), &fault).await? {
                        Some(true) => return Ok(Ok(effects)),
                        Some(false) if blame(&fault) == Blame::Statement => return Ok(Err(fault)),
                        Some(false) => {}
                        None => {
                            self.doubt = vec![(record.position, effects)];
                            return Err(node(fault));
                        }
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Err(End::Node(format!("something is in the way of entry {}: {why}", record.position)))
    }

    /// Whether what took the node from one place to another is lasting, which could not be had or is not known: the watermark
    /// says it. None where it cannot be asked.
    pub(super) async fn is_lasting(
        &self,
        link: &mut Link,
        (from, to): (Position, Position),
        fault: &Fault,
    ) -> Result<Option<bool>, End> {
        // The session is sound, and tells; but not from within a transaction that is still open after a refused commit.
        let is_sound = matches!(blame(fault), Blame::Statement | Blame::Moment) && link.take_back().await.is_ok();
        if !is_sound {
            return Ok(None);
        }
        match link.mark(&self.marks).await {
            Ok(Some(mark)) if mark.position == to => Ok(Some(true)),
            Ok(Some(mark)) if mark.position == from => Ok(Some(false)),
            Ok(_) => Err(End::Node("its watermark is not where it was left".to_owned())),
            Err(_) => Ok(None),
        }
    }

    /// Sees whether a node that refuses a statement takes anything at all: one that cannot write now is not another opinion.
    async fn sound(&self, link: &mut Link, mark: &Mark) -> Result<(), End> {
        let failed = |fault: Fault| End::Node(format!("it takes no writes: {fault}"));
        link.begin().await.map_err(failed)?;
        let step = Move { from: mark.position, did: vec![Last::Passed] };
        let is_there = link.advance(&self.marks, &step).await.map_err(failed)?;
        link.take_back().await.map_err(failed)?;
        match is_there {
            true => Ok(()),
            false => Err(End::Node("its watermark is not where it was left".to_owned())),
        }
    }

    /// Waits until an entry that was refused may be passed, and passes it.
    async fn pass(&mut self, link: &mut Link, mark: &mut Mark, position: Position) -> Result<(), End> {
        loop {
            let verdict = self.shared.until(|board, _| board.verdict(self.node, position));
            match tokio::time::timeout(self.timing.check, verdict).await {
                Ok(Verdict::Pass) => break,
                Ok(Verdict::Halted) => return Err(End::Halted),
                Err(_) => self.check(link, mark).await?,
            }
        }
        let step = Move::past(position, Last::Passed);
        // In a transaction, as all that changes the node: no session is left that writes without one.
        link.begin().await.map_err(node)?;
        if !link.advance(&self.marks, &step).await.map_err(node)? {
            return Err(End::Node("its watermark is not where it was left".to_owned()));
        }
        link.commit().await.map_err(node)?;
        mark.moved(step);
        self.shared.with(|board, now| board.passed(self.node, position, now));
        Ok(())
    }

    pub(super) fn applied(&self, done: Done) {
        self.shared.with(|board, now| {
            for (position, Effects { affected, rows }) in done {
                board.answer(self.node, position, (Answer::Applied { affected: Some(affected) }, rows), now);
            }
        });
    }

    /// Ends the session of a node that gets nothing any more.
    pub(super) fn go_on(&self) -> Result<(), End> {
        if self.shared.with(|board, _| board.is_in_service(self.node)) { Ok(()) } else { Err(End::Halted) }
    }

    fn give_up(&self, why: &str) -> End {
        self.shared.with(|board, _| board.stand(self.node, |standing| standing.needs_rebuild(why)));
        End::Halted
    }

    fn quarantine(&self, position: Position, why: &str) -> End {
        self.shared.with(|board, _| {
            board.quarantine(self.node, position, why);
            board.evaluate_all();
        });
        End::Halted
    }
}
