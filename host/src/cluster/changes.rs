//! What two rosters of a cluster differ in, as events. Pure: told from the rosters alone, so no change is ever without its
//! event, whoever made it.

use super::member::Member;
use super::roster::Roster;
use super::standing::{BY_OPERATOR, CAME_BACK, LEFT_CATALOG};
use crate::model::{Change, EndpointName};

/// A change, the endpoint it is about, and its cause.
pub(super) type Told = (Option<EndpointName>, Change, String);

/// Everything that changed from one roster to the next.
pub(super) fn changes(before: &Roster, after: &Roster) -> Vec<Told> {
    let mut told = Vec::new();
    for member in before.members().iter().filter(|member| after.get(member.id()).is_none()) {
        let cause = match member.figures().in_flight() {
            0 => "nothing was under way at it any more".to_owned(),
            left => format!("its time to finish was over, with {left} requests under way"),
        };
        let is_last = after.named(&member.endpoint().spec.name).is_none();
        told.push((name(member), Change::Left { is_last }, cause));
    }
    for member in after.members() {
        match before.get(member.id()) {
            Some(old) => told.extend(changes_of(old, member).into_iter().map(|(what, why)| (name(member), what, why))),
            None => told.push((name(member), Change::Joined, "a source names it".to_owned())),
        }
    }
    if before.panics() != after.panics() {
        let cause = match after.share() {
            (_, 0) => "no endpoint in service has passed a check yet".to_owned(),
            (ready, all) => format!("{ready} of {all} endpoints in service are ready, those not checked yet left out"),
        };
        told.push((None, Change::Panic(after.panics()), cause));
    }
    told
}

fn changes_of(old: &Member, new: &Member) -> Vec<(Change, String)> {
    let (before, after) = (old.standing(), new.standing());
    let mut told = Vec::new();
    match (before.leaving, after.leaving) {
        (false, true) => told.push((Change::Leaving, LEFT_CATALOG.to_owned())),
        (true, false) => told.push((Change::Joined, CAME_BACK.to_owned())),
        _ => {}
    }
    if before.admin != after.admin {
        told.push((Change::Admin(after.admin), BY_OPERATOR.to_owned()));
    }
    if before.weight != after.weight {
        told.push((Change::Weight(after.weight), BY_OPERATOR.to_owned()));
    }
    let (from, to) = (before.state(), after.state());
    if from != to {
        told.push((Change::State { from, to }, after.cause_since(before)));
    }
    told
}

fn name(member: &Member) -> Option<EndpointName> {
    Some(member.endpoint().spec.name.clone())
}
