//! Both forms of every strategy side by side through one long day: varying requests, retries, loads, weights and
//! endpoints. They decide alike, know alike, and each can go on from what the other knew.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use http::StatusCode;
use leverframe::model::{Attempt, EndpointId, RequestHead};
use leverframe::routing::{Candidates, Choice, Strategy};

use super::cluster::{TestCluster, request};
use super::subjects::{Form, Subject, subjects};

/// Requests in a day.
const REQUESTS: u64 = 1_500;
/// The cluster changes after so many.
const CHANGE_EVERY: u64 = 75;
/// Each form hands over to the other after so many.
const HAND_OVER_EVERY: u64 = 200;
/// Every day is the same day.
const SEED: u64 = 20_260_417;

#[test]
fn both_forms_decide_alike_all_day() {
    for subject in subjects() {
        let mut day = Day::begin(&subject);
        for number in 0..REQUESTS {
            if number % CHANGE_EVERY == 0 {
                day.change();
            }
            if number % HAND_OVER_EVERY == HAND_OVER_EVERY - 1 {
                day.hand_over(&subject);
            }
            day.serve(&subject, number);
        }
    }
}

#[test]
fn what_one_form_knew_the_other_goes_on_from() {
    for subject in subjects() {
        for [from, to] in [[Form::Native, Form::Wasm], [Form::Wasm, Form::Native]] {
            let cluster = TestCluster::of(&[("a", 5), ("b", 1), ("c", 3), ("d", 1)]);
            let mut before = subject.start(from);
            before.candidates_changed(cluster.candidates()).unwrap();
            let request = request("/", &[], 1);
            let pick = |strategy: &mut dyn Strategy| strategy.pick(&request, Attempt::default()).unwrap();
            (0..6).for_each(|_| drop(pick(&mut *before)));
            let state = before.export_state().unwrap();
            if state.is_empty() {
                // It has nothing to tell: a new one is as good.
                continue;
            }
            let mut after = started(&subject, to, Some(&state), cluster.candidates());
            for at in 0..20 {
                let (stayed, went_on) = (pick(&mut *before), pick(&mut *after));
                assert_eq!(stayed, went_on, "{subject}, from {from:?} to {to:?}, pick {at} after");
            }
        }
    }
}

/// What goes on in a day, and both forms in it.
struct Day {
    chance: Rng,
    cluster: TestCluster,
    native: Box<dyn Strategy>,
    wasm: Box<dyn Strategy>,
    /// The cookie that was set last.
    cookie: Option<String>,
}

impl Day {
    fn begin(subject: &Subject) -> Self {
        let [native, wasm] = Form::BOTH.map(|form| subject.start(form));
        Self { chance: Rng::with_seed(SEED), cluster: TestCluster::of(&[]), native, wasm, cookie: None }
    }

    /// Other endpoints, or other weights.
    fn change(&mut self) {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let weights = [1, 1, 2, 3, 10, 100, 65_535];
        let mut members: Vec<_> = names.map(|name| (name, weights[self.chance.usize(..weights.len())])).into();
        self.chance.shuffle(&mut members);
        members.truncate(self.chance.usize(1..=names.len()));
        self.cluster.change(&members);
        for strategy in [&mut self.native, &mut self.wasm] {
            strategy.candidates_changed(self.cluster.candidates()).unwrap();
        }
    }

    /// A new native instance takes over from the component, and a new component from the native instance.
    fn hand_over(&mut self, subject: &Subject) {
        let (known, told) = (self.native.export_state().unwrap(), self.wasm.export_state().unwrap());
        assert_eq!(known, told, "{subject}: both know the same");
        self.native = started(subject, Form::Native, Some(&told), self.cluster.candidates());
        self.wasm = started(subject, Form::Wasm, Some(&known), self.cluster.candidates());
    }

    fn serve(&mut self, subject: &Subject, number: u64) {
        let request = self.request();
        let ids = self.cluster.ids();
        let mut tried = Vec::new();
        let attempts = self.chance.usize(1..=2.min(ids.len()));
        for attempt in 0..attempts {
            let attempt = Attempt { number: attempt as u32, excluded: &tried };
            let native = seeded(number, || self.native.pick(&request, attempt).unwrap());
            let wasm = seeded(number, || self.wasm.pick(&request, attempt).unwrap());
            assert_eq!(native, wasm, "{subject}, request {number} after {tried:?}: choice and draws of each form");
            let id = self.follow(native.0);
            assert!(ids.contains(&id) && !tried.contains(&id), "{subject}, request {number}: {id}");
            tried.push(id);
        }
    }

    /// A request that may differ in everything that a strategy can look at.
    fn request(&mut self) -> Arc<RequestHead> {
        let user = self.chance.u16(..).to_string();
        let path =
            format!("/{}", ["", "a", "shop/7", "shop/8?user=12", "%C3%A4?user=J%C3%B6rg"][self.chance.usize(..5)]);
        let cookie = match (self.chance.u8(..4), &self.cookie) {
            (0, _) | (_, None) => "theme=dark".to_owned(),
            (1, _) => "theme=dark; leverframe=made-up; sid=made-up".to_owned(),
            (_, Some(set)) => format!("theme=dark; {set}"),
        };
        let mut headers = vec![("cookie", cookie.as_str())];
        if self.chance.bool() {
            headers.push(("x-user", &user));
        }
        request(&path, &headers, self.chance.u8(..))
    }

    /// Does what was chosen, as the proxy would: sends the request, keeps the cookie, hears of the end.
    fn follow(&mut self, choice: Choice) -> EndpointId {
        let id = match choice {
            Choice::Endpoint(id) => id,
            Choice::Routed(id, headers) => {
                let set = headers.into_iter().find(|(name, _)| name == "set-cookie");
                self.cookie = set.and_then(|(_, value)| Some(value.split_once(';')?.0.to_owned()));
                id
            }
            other => panic!("{other:?}, though there are candidates"),
        };
        self.cluster.send(id);
        self.cluster.finish_down_to(self.chance.usize(..12));
        let latency = Duration::from_micros(self.chance.u64(200..50_000));
        let status = if self.chance.u8(..20) == 0 { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
        let outcome = self.cluster.answered(id, latency, status);
        for strategy in [&mut self.native, &mut self.wasm] {
            strategy.on_outcome(&outcome).unwrap();
        }
        id
    }
}

/// A new instance, with what another one knew.
fn started(subject: &Subject, form: Form, state: Option<&[u8]>, candidates: &Arc<Candidates>) -> Box<dyn Strategy> {
    let mut strategy = subject.start(form);
    if let Some(state) = state.filter(|state| !state.is_empty()) {
        strategy.import_state("0.1.0", state).unwrap();
    }
    strategy.candidates_changed(candidates).unwrap();
    strategy
}

/// What is chosen when chance begins with this seed, and the number that it would give next: equal only when both drew
/// as often.
fn seeded(seed: u64, choose: impl FnOnce() -> Choice) -> (Choice, u64) {
    fastrand::seed(seed);
    (choose(), fastrand::u64(..))
}
