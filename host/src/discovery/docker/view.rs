//! What is known of the containers: what the Engine lists, and what its events said since, which a list does not show
//! or does not show yet. Pure: `now` is passed in, and whoever holds a view lists for it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum, EventMessage, EventMessageTypeEnum};

use super::super::Seen;
use super::container::{Rules, see};
use crate::config::ContainerLabel;
use crate::model::Reported;

/// How long a container that was told to stop is believed to do so. It gets 10 s by default, half a minute or a whole one
/// where requests take their time, and then it is killed; one that still runs after twice that has ignored the signal.
const STOPS_WITHIN: Duration = Duration::from_secs(120);
/// How long lists may show one as running that has ended.
const CLEARED_WITHIN: Duration = Duration::from_secs(30);
/// SIGINT, SIGQUIT, SIGKILL, SIGTERM: those that end programs by request.
const ENDING: [&str; 4] = ["2", "3", "9", "15"];
/// The label of a container that names the number of another signal which has it stop.
const STOP_SIGNAL: &str = "leverframe.stop_signal";

/// What events said last of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// It was told to stop; no list shows that.
    ToldToStop,
    /// It has ended; lists show it as running until the Engine has cleared up after it.
    Ended,
}

impl Word {
    /// How long it is believed against the lists.
    fn holds(self) -> Duration {
        match self {
            Self::ToldToStop => STOPS_WITHIN,
            Self::Ended => CLEARED_WITHIN,
        }
    }
}

/// What is to be done about an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It changes nothing.
    Nothing,
    /// The view has changed.
    Tell,
    /// List the container with this id at once, then [`View::put`], and all of them shortly: some Engines tell first and
    /// write down then.
    Look(String),
    /// The view may have changed; list all containers shortly.
    LookSoon,
}

/// The containers with a label.
pub(super) struct View {
    label: ContainerLabel,
    rules: Rules,
    listed: BTreeMap<String, ContainerSummary>,
    heard: BTreeMap<String, (Word, Instant)>,
}

impl View {
    /// Nothing is known yet.
    pub(super) fn new(label: ContainerLabel, rules: Rules) -> Self {
        Self { label, rules, listed: BTreeMap::new(), heard: BTreeMap::new() }
    }

    /// Takes a list of all containers with the label.
    pub(super) fn replace(&mut self, listed: Vec<ContainerSummary>) {
        self.listed = by_id(listed).collect();
    }

    /// Takes what is listed of some containers; those that are not listed do not run.
    pub(super) fn put(&mut self, asked: &[String], listed: Vec<ContainerSummary>) {
        for id in asked {
            self.listed.remove(id);
        }
        self.listed.extend(by_id(listed));
    }

    /// Takes an event.
    pub(super) fn hear(&mut self, event: &EventMessage, now: Instant) -> Next {
        let actor = event.actor.as_ref();
        let attribute = |key: &str| actor.and_then(|actor| actor.attributes.as_ref()?.get(key)).map(String::as_str);
        let action = event.action.as_deref().unwrap_or_default();
        if event.typ == Some(EventMessageTypeEnum::NETWORK) {
            let is_known = attribute("container").is_some_and(|id| self.listed.contains_key(id));
            return if is_known { Next::LookSoon } else { Next::Nothing };
        }
        let value = attribute(&self.label.key);
        let is_meant = value.is_some() && (self.label.value.is_none() || self.label.value.as_deref() == value);
        let Some(id) = actor.and_then(|actor| actor.id.as_deref()).filter(|_| is_meant) else { return Next::Nothing };
        match action {
            "kill"
                if attribute("signal").is_some_and(|it| ENDING.contains(&it) || attribute(STOP_SIGNAL) == Some(it)) =>
            {
                self.heard.insert(id.to_owned(), (Word::ToldToStop, now));
                Next::Tell
            }
            "die" | "stop" | "destroy" => {
                self.heard.insert(id.to_owned(), (Word::Ended, now));
                self.listed.remove(id);
                Next::Tell
            }
            "start" => {
                self.heard.remove(id);
                Next::Look(id.to_owned())
            }
            // Lists say so only a moment later.
            "pause" => self.turn(id, ContainerSummaryStateEnum::PAUSED),
            "unpause" => self.turn(id, ContainerSummaryStateEnum::RUNNING),
            "rename" => Next::Look(id.to_owned()),
            // `health_status: healthy`
            _ if action.starts_with("health_status") => Next::Look(id.to_owned()),
            _ => Next::Nothing,
        }
    }

    fn turn(&mut self, id: &str, state: ContainerSummaryStateEnum) -> Next {
        if let Some(container) = self.listed.get_mut(id) {
            container.state = Some(state);
        }
        Next::LookSoon
    }

    /// What there is to see now.
    pub(super) fn seen(&mut self, now: Instant) -> Seen {
        self.heard.retain(|_, (word, at)| now.duration_since(*at) < word.holds());
        let mut seen = Seen::default();
        for (id, container) in &self.listed {
            let word = self.heard.get(id).map(|(word, _)| *word);
            if word == Some(Word::Ended) {
                continue;
            }
            let before = seen.endpoints.len();
            see(container, &self.rules, &mut seen);
            // One that is down stays so: that is the worse of the two.
            let added = seen.endpoints.get_mut(before..).unwrap_or_default();
            for endpoint in added.iter_mut().filter(|_| word == Some(Word::ToldToStop)) {
                endpoint.reported = endpoint.reported.max(Reported::Stopping);
            }
        }
        seen
    }
}

fn by_id(listed: Vec<ContainerSummary>) -> impl Iterator<Item = (String, ContainerSummary)> {
    listed.into_iter().filter_map(|container| Some((container.id.clone()?, container)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn container(id: &str, state: &str) -> ContainerSummary {
        let fields = json!({
            "Id": id, "Names": [format!("/{id}")], "State": state, "Ports": [{ "PrivatePort": 80, "Type": "tcp" }],
            "NetworkSettings": { "Networks": { "back": { "IPAddress": "10.0.0.2" } } },
        });
        serde_json::from_value(fields).expect("a container")
    }

    fn event(action: &str, id: &str, more: &[(&str, &str)]) -> EventMessage {
        let mut attributes = json!({ "app": "db-backend", "name": id });
        for (key, value) in more {
            attributes[key] = json!(value);
        }
        let event = json!({ "Type": "container", "Action": action, "Actor": { "ID": id, "Attributes": attributes } });
        serde_json::from_value(event).expect("an event")
    }

    fn kill(id: &str, signal: &str) -> EventMessage {
        event("kill", id, &[("signal", signal)])
    }

    fn view(ids: &[&str]) -> View {
        let label = ContainerLabel { key: "app".into(), value: Some("db-backend".into()) };
        let mut view = View::new(label, Rules::default());
        view.replace(ids.iter().map(|id| container(id, "running")).collect());
        view
    }

    fn states(view: &mut View, now: Instant) -> Vec<(String, Reported)> {
        let seen = view.seen(now);
        assert_eq!(seen.skipped, []);
        seen.endpoints.into_iter().map(|endpoint| (endpoint.name.to_string(), endpoint.reported)).collect()
    }

    fn of(name: &str, reported: Reported) -> (String, Reported) {
        (name.to_owned(), reported)
    }

    #[test]
    fn one_that_is_told_to_stop_is_stopping_at_once_and_then_gone() {
        let now = Instant::now();
        for signal in ENDING {
            let mut view = view(&["a", "b"]);
            assert_eq!(view.hear(&kill("a", signal), now), Next::Tell);
            assert_eq!(states(&mut view, now), [of("a", Reported::Stopping), of("b", Reported::Up)]);
            assert_eq!(view.hear(&event("die", "a", &[]), now), Next::Tell);
            assert_eq!(states(&mut view, now), [of("b", Reported::Up)]);
        }
    }

    #[test]
    fn a_list_that_lags_behind_brings_nothing_back() {
        let now = Instant::now();
        let mut view = view(&["a"]);
        view.hear(&event("die", "a", &[]), now);
        view.replace(vec![container("a", "running")]);
        assert_eq!(states(&mut view, now), []);
        // Its start was missed; in the long run the lists are right.
        assert_eq!(states(&mut view, now + CLEARED_WITHIN), [of("a", Reported::Up)]);
    }

    #[test]
    fn one_that_is_started_again_is_up_again() {
        let now = Instant::now();
        let mut view = view(&["a"]);
        for event in [kill("a", "15"), event("die", "a", &[]), event("stop", "a", &[])] {
            view.hear(&event, now);
        }
        assert_eq!(view.hear(&event("start", "a", &[]), now), Next::Look("a".into()));
        view.put(&["a".into()], vec![container("a", "running")]);
        assert_eq!(states(&mut view, now), [of("a", Reported::Up)]);
    }

    #[test]
    fn an_image_may_have_a_stop_signal_of_its_own() {
        let now = Instant::now();
        let mut view = view(&["a"]);
        assert_eq!(view.hear(&event("kill", "a", &[("signal", "28"), (STOP_SIGNAL, "28")]), now), Next::Tell);
        assert_eq!(states(&mut view, now), [of("a", Reported::Stopping)]);
    }

    #[test]
    fn one_that_ignores_the_signal_is_up_again_after_a_while() {
        let now = Instant::now();
        let mut view = view(&["a"]);
        view.hear(&kill("a", "2"), now);
        assert_eq!(states(&mut view, now + STOPS_WITHIN - Duration::from_millis(1)), [of("a", Reported::Stopping)]);
        assert_eq!(states(&mut view, now + STOPS_WITHIN), [of("a", Reported::Up)]);
    }

    #[test]
    fn other_signals_and_what_is_done_inside_change_nothing() {
        let now = Instant::now();
        let mut view = view(&["a"]);
        let of_another = event("kill", "a", &[("signal", "10"), (STOP_SIGNAL, "28")]);
        for event in [kill("a", "1"), of_another, event("exec_start: ls", "a", &[]), event("attach", "a", &[])] {
            assert_eq!(view.hear(&event, now), Next::Nothing);
        }
        assert_eq!(states(&mut view, now), [of("a", Reported::Up)]);
    }

    #[test]
    fn what_may_have_changed_is_looked_at() {
        let now = Instant::now();
        let mut view = view(&["a"]);
        for action in ["start", "rename", "health_status: unhealthy", "health_status"] {
            assert_eq!(view.hear(&event(action, "a", &[]), now), Next::Look("a".into()), "{action}");
        }
        view.put(&["a".into()], vec![container("a", "running")]);
        for (action, state) in [("pause", Reported::Down), ("unpause", Reported::Up), ("pause", Reported::Down)] {
            assert_eq!(view.hear(&event(action, "a", &[]), now), Next::LookSoon);
            assert_eq!(states(&mut view, now), [of("a", state)]);
        }
        view.hear(&kill("a", "15"), now);
        assert_eq!(states(&mut view, now), [of("a", Reported::Down)]);
        view.put(&["a".into()], vec![]);
        assert_eq!(states(&mut view, now), []);
    }

    #[test]
    fn containers_without_the_label_are_none_of_its_business() {
        let now = Instant::now();
        let mut view = view(&["a"]);
        assert_eq!(view.hear(&event("start", "x", &[("app", "other")]), now), Next::Nothing);
        let unlabelled = json!({ "Type": "container", "Action": "die", "Actor": { "ID": "a", "Attributes": {} } });
        let unlabelled: EventMessage = serde_json::from_value(unlabelled).expect("an event");
        assert_eq!(view.hear(&unlabelled, now), Next::Nothing);
        view.label.value = None;
        assert_eq!(view.hear(&event("start", "x", &[("app", "other")]), now), Next::Look("x".into()));
    }

    #[test]
    fn a_network_that_a_known_container_joins_or_leaves_is_looked_into() {
        let now = Instant::now();
        let mut view = view(&["a"]);
        for (id, next) in [("a", Next::LookSoon), ("x", Next::Nothing)] {
            let actor = json!({ "ID": "net", "Attributes": { "container": id, "name": "back" } });
            let event = json!({ "Type": "network", "Action": "disconnect", "Actor": actor });
            assert_eq!(view.hear(&serde_json::from_value(event).expect("an event"), now), next);
        }
    }
}
