//! The panel: the health policies of one cluster, in their order. It holds each to the rules and composes what they say.
//! A policy that fails is dropped and told as lost; until another instance is seated, the built-in threshold judges at its
//! place, so that no endpoint is ever without a verdict. Where a `threshold` of the list judges anyway, by numbers that
//! somebody chose, the place is passed over.
//!
//! Only the control side comes here. The lock is held for a round of judgement, which is why each policy has a share of
//! [`ROUND`]: whoever waits for the lock, a new configuration above all, waits for about that long at most.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::figures::PolicyFigures;
use super::policy::{PolicyLost, PolicySeat};
use super::threshold::Threshold;
use crate::cluster::Member;
use crate::model::{
    Carried, Change, ClusterName, Endpoint, Events, Fault, ImportError, Observations, Peers, Verdict, one_line,
};

/// The longest reason taken from a policy, in characters: one line where operators look.
const MAX_REASON: usize = 200;

/// How long the policies of a panel may judge all its endpoints together: an operator who edits the configuration waits for
/// it, and a second is what one waits without wondering.
const ROUND: Duration = Duration::from_secs(1);
/// The plugin that the built-in policy stands in for.
const THRESHOLD: &str = "threshold";

/// Who judges the endpoints of one cluster.
pub struct Panel {
    cluster: ClusterName,
    chairs: Mutex<Vec<Chair>>,
    lost: mpsc::UnboundedSender<PolicyLost>,
    events: Events,
}

/// One position of a panel.
#[derive(Default)]
struct Chair {
    seated: Option<PolicySeat>,
    /// Where the fallbacks are counted while the policy that failed is away.
    vacated: Option<Arc<PolicyFigures>>,
    /// Who sat here before the last change, if anyone did, until the change is settled.
    aside: Option<Option<PolicySeat>>,
    /// Who judges while nobody sits here; none where a `threshold` elsewhere in the list does.
    fallback: Option<Threshold>,
    /// What its policy may take of this round, and has taken; nothing once it is lost.
    turn: Option<Turn>,
}

/// The part of one policy in one round.
struct Turn {
    share: Duration,
    spent: Duration,
}

/// What is judged: an endpoint, what was seen of it, and of its peers.
#[derive(Clone, Copy)]
struct Case<'a> {
    endpoint: &'a Endpoint,
    window: &'a Observations,
    peers: &'a Arc<Peers>,
}

impl Panel {
    /// A panel without policies, to which everything is healthy. `lost` is told when a policy had to be dropped.
    pub fn new(cluster: ClusterName, lost: mpsc::UnboundedSender<PolicyLost>, events: Events) -> Self {
        Self { cluster, chairs: Mutex::default(), lost, events }
    }

    /// The cluster.
    pub fn cluster(&self) -> &ClusterName {
        &self.cluster
    }

    /// Judges all endpoints of the cluster, which come ordered by id: a verdict for each, in their order.
    pub fn judge(&self, endpoints: &[(Arc<Member>, Observations)]) -> Vec<Verdict> {
        let peers: Arc<Peers> = endpoints.iter().map(|(member, window)| (member.id(), *window)).collect();
        let mut chairs = self.chairs();
        let share = ROUND / u32::try_from(chairs.len()).unwrap_or(u32::MAX).max(1);
        chairs.iter_mut().for_each(|chair| chair.begin(share));
        let judge = |(member, window): &(Arc<Member>, Observations)| {
            let case = Case { endpoint: member.endpoint(), window, peers: &peers };
            let mut verdict = Verdict::default();
            for (position, chair) in chairs.iter_mut().enumerate() {
                verdict = self.ask((position, chair), case, verdict);
            }
            verdict
        };
        let verdicts = endpoints.iter().map(judge).collect();
        chairs.iter_mut().flat_map(|chair| &mut chair.fallback).for_each(|fallback| fallback.forget_all_but(&peers));
        verdicts
    }

    /// Seats other policies for good, under a new configuration. One that is in the new list as it was in the old one, the
    /// same version with the same configuration, keeps its chair and with it what it knows.
    pub fn replace(&self, seats: Vec<PolicySeat>) {
        let has_threshold = seats.iter().any(|seat| seat.holder.plugin.as_str() == THRESHOLD);
        let mut chairs = self.chairs();
        let (mut before, mut spare) = (std::mem::take(&mut *chairs), Vec::new());
        for seat in seats {
            let fallback = match seat.holder.plugin.as_str() {
                THRESHOLD => Some(Threshold::of(seat.policy.config())),
                _ => (!has_threshold).then(Threshold::default),
            };
            let kept = before.iter().position(|chair| chair.is_held_as(&seat)).map(|at| before.remove(at));
            let seated = match kept.and_then(|chair| chair.seated) {
                Some(seated) => {
                    spare.push(seat);
                    seated
                }
                None => seat,
            };
            chairs.push(Chair { seated: Some(seated), fallback, ..Chair::default() });
        }
        drop(chairs);
        // Not under the lock: giving back the memory of an instance takes a while.
        drop((before, spare));
    }

    /// Seats another version at one position and keeps the one before aside until it is settled. State goes over between
    /// versions of one plugin; on an error the position is as it was. One that the list does not have any more is no
    /// error: there is nothing to seat.
    pub fn install(&self, position: usize, mut seat: PolicySeat) -> Result<Carried, ImportError> {
        let mut chairs = self.chairs();
        let Some(chair) = chairs.get_mut(position) else { return Ok(Carried::Nothing) };
        let carried = chair.carry_into(&mut seat)?;
        chair.aside = Some(chair.seated.replace(seat));
        Ok(carried)
    }

    /// Ends a change: keeps what was installed, or goes back to what sat there before.
    pub fn settle(&self, keep: bool) {
        for chair in self.chairs().iter_mut() {
            match chair.aside.take() {
                Some(before) if !keep => {
                    let lost_since = std::mem::replace(&mut chair.seated, before).is_none();
                    if lost_since && chair.seated.is_some() {
                        self.returned(chair);
                    }
                }
                Some(None) if chair.seated.is_some() => self.returned(chair),
                _ => {}
            }
        }
    }

    /// Seats another instance of the version that was lost, unless somebody sits there by now.
    pub fn refill(&self, position: usize, seat: PolicySeat) {
        if let Some(chair) = self.chairs().get_mut(position).filter(|chair| chair.seated.is_none()) {
            chair.seated = Some(seat);
            self.returned(chair);
        }
    }

    /// What the policy at one position makes of an endpoint; what the built-in one does where nobody sits, or not any more
    /// in this round.
    fn ask(&self, (position, chair): (usize, &mut Chair), case: Case<'_>, before: Verdict) -> Verdict {
        match chair.judge(case, &before) {
            Some(Ok(verdict)) => return verdict,
            Some(Err(fault)) => self.unseat(position, chair, fault),
            None => {}
        }
        if let Some(figures) = &chair.vacated {
            figures.fallback();
        }
        match &mut chair.fallback {
            Some(fallback) => fallback.judge(case.endpoint.id, case.window, before),
            None => before,
        }
    }

    /// Drops a policy that failed; the control side sends another when its back-off is over.
    fn unseat(&self, position: usize, chair: &mut Chair, fault: Fault) {
        let Some(PolicySeat { holder, figures, .. }) = chair.seated.take() else { return };
        figures.fault(&fault);
        (chair.vacated, chair.turn) = (Some(figures), None);
        // It goes by what it sees from now on, not by what it saw when it last stood in.
        chair.fallback.iter_mut().for_each(Threshold::restart);
        let instead = match chair.fallback {
            Some(_) => "the built-in threshold judges in its place",
            None => "the others judge without it",
        };
        let cause = format!("{instead}: {fault}");
        self.events.tell(&self.cluster, None, Change::Policy { plugin: holder.plugin.clone(), judges: false }, cause);
        let cluster = self.cluster.clone();
        // Without a control side there is nobody to tell, and the built-in policy judges on.
        let _ = self.lost.send(PolicyLost { cluster, position, holder, fault });
    }

    /// Somebody sits again where nobody did.
    fn returned(&self, chair: &Chair) {
        if let Some(holder) = chair.seated.as_ref().map(|seat| &seat.holder) {
            let change = Change::Policy { plugin: holder.plugin.clone(), judges: true };
            self.events.tell(&self.cluster, None, change, format!("version {} was started", holder.version));
        }
    }

    /// A poisoned lock is taken all the same: every operation leaves the chairs whole.
    fn chairs(&self) -> MutexGuard<'_, Vec<Chair>> {
        self.chairs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Panel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Panel").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

impl Chair {
    /// Begins a round. One call never is too much for a policy's share.
    fn begin(&mut self, share: Duration) {
        let turn = |seat: &PolicySeat| Turn { share: share.max(seat.policy.call_deadline()), spent: Duration::ZERO };
        self.turn = self.seated.as_ref().map(turn);
    }

    /// What the policy that sits here makes of an endpoint; nothing when none does. One that has had its share of the
    /// round did not answer in time.
    fn judge(&mut self, case: Case<'_>, before: &Verdict) -> Option<Result<Verdict, Fault>> {
        let (seat, turn) = (self.seated.as_mut()?, self.turn.as_mut()?);
        if turn.spent > turn.share {
            return Some(Err(Fault::Deadline(turn.share)));
        }
        let start = Instant::now();
        let answer = seat.policy.judge(case.endpoint, case.window, case.peers, before);
        let took = start.elapsed();
        seat.figures.judged(took);
        turn.spent += took;
        Some(answer.and_then(checked))
    }

    /// Whether this very version sits here, with the same configuration.
    fn is_held_as(&self, seat: &PolicySeat) -> bool {
        let same = |held: &PolicySeat| held.holder == seat.holder && held.policy.config() == seat.policy.config();
        self.seated.as_ref().is_some_and(same)
    }

    fn carry_into(&mut self, next: &mut PolicySeat) -> Result<Carried, ImportError> {
        let Some(before) = self.seated.as_mut().filter(|before| next.holder.goes_on_from(&before.holder)) else {
            return Ok(Carried::Nothing);
        };
        // A version that cannot say what it knows is no reason to keep it.
        let state = before.policy.export_state().unwrap_or_default();
        if state.is_empty() {
            return Ok(Carried::Nothing);
        }
        next.policy.import_state(&before.holder.version, &state)?;
        Ok(Carried::Yes)
    }
}

/// A verdict that keeps the rules: its numbers are within their ranges, its reason is one line.
fn checked(verdict: Verdict) -> Result<Verdict, Fault> {
    for (what, value) in [("score", verdict.score), ("effective weight", verdict.effective_weight)] {
        // What is no number is in no range.
        if !(0.0..=1.0).contains(&value) {
            return Err(Fault::Answer(format!("gave the {what} {value}; 0 to 1 can be")));
        }
    }
    let reason = one_line(&verdict.reason, MAX_REASON);
    Ok(Verdict { reason: reason.into(), ..verdict })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::LiveCluster;
    use crate::model::{Address, EndpointName, EndpointSpec, HealthState, PluginName, SeatHolder};

    /// A policy that takes a while, and then answers how often it was asked, or not at all.
    struct Native {
        config: &'static str,
        asked: u32,
        works: bool,
        takes: Duration,
    }

    impl super::super::policy::Policy for Native {
        fn judge(&mut self, _: &Endpoint, _: &Observations, _: &Arc<Peers>, _: &Verdict) -> Result<Verdict, Fault> {
            let (_hold, never) = std::sync::mpsc::channel::<()>();
            let _ = never.recv_timeout(self.takes);
            self.asked += 1;
            let reason = format!("asked {}", self.asked).into();
            self.works.then(|| Verdict { reason, ..Verdict::default() }).ok_or(Fault::Trap("broken".into()))
        }
        fn export_state(&mut self) -> Result<Vec<u8>, Fault> {
            Ok(Vec::new())
        }
        fn import_state(&mut self, _: &str, _: &[u8]) -> Result<(), ImportError> {
            Ok(())
        }
        fn config(&self) -> &str {
            self.config
        }
    }

    fn seat(plugin: &str, native: Native) -> PolicySeat {
        let holder = SeatHolder { plugin: PluginName::new(plugin).unwrap(), revision: 1, version: "1.0.0".into() };
        PolicySeat { holder, policy: Box::new(native), figures: Arc::default() }
    }

    fn sound(plugin: &str, config: &'static str) -> PolicySeat {
        seat(plugin, Native { config, asked: 0, works: true, takes: Duration::ZERO })
    }

    fn broken(plugin: &str, config: &'static str) -> PolicySeat {
        seat(plugin, Native { config, asked: 0, works: false, takes: Duration::ZERO })
    }

    fn panel(seats: Vec<PolicySeat>) -> (Panel, mpsc::UnboundedReceiver<PolicyLost>) {
        let (tell, lost) = mpsc::unbounded_channel();
        let panel = Panel::new(ClusterName::new("web").unwrap(), tell, Events::nowhere());
        panel.replace(seats);
        (panel, lost)
    }

    fn members(count: usize) -> Vec<Arc<Member>> {
        let live = LiveCluster::new(ClusterName::new("web").unwrap(), Events::nowhere());
        let spec = |nth| {
            EndpointSpec::new(EndpointName::new(&format!("e{nth}")).unwrap(), Address::parse("192.0.2.1:80").unwrap())
        };
        live.update(&(0..count).map(spec).collect::<Vec<_>>(), Instant::now());
        live.roster().members().to_vec()
    }

    /// The verdict on the one endpoint, whose probes fail.
    fn verdict(panel: &Panel, member: &Arc<Member>, consecutive_probes_failed: u32) -> Verdict {
        let window = Observations { consecutive_probes_failed, ..Observations::default() };
        panel.judge(&[(Arc::clone(member), window)]).remove(0)
    }

    #[test]
    fn a_failed_threshold_is_stood_in_for_by_its_own_numbers() {
        let member = &members(1)[0];
        for (plugin, config, at) in [("threshold", r#"{"fall": 20}"#, 20), ("outlier", r#"{"fall": 20}"#, 3)] {
            let (panel, _lost) = panel(vec![broken(plugin, config)]);
            verdict(&panel, member, 0);
            assert_eq!(verdict(&panel, member, at - 1).state, HealthState::Degraded, "{plugin}");
            assert_eq!(verdict(&panel, member, at).state, HealthState::Failed, "{plugin}");
        }
    }

    #[test]
    fn where_a_threshold_judges_anyway_a_failed_policy_is_passed_over() {
        let member = &members(1)[0];
        let (panel, mut lost) = panel(vec![sound("threshold", r#"{"fall": 20}"#), broken("outlier", "{}")]);
        verdict(&panel, member, 0);
        let verdict = verdict(&panel, member, 19);
        assert_eq!((verdict.state, &*verdict.reason), (HealthState::Healthy, "asked 2"));
        assert_eq!(lost.try_recv().unwrap().position, 1);
    }

    #[test]
    fn a_policy_that_a_change_leaves_as_it_was_keeps_its_chair() {
        let member = &members(1)[0];
        let (panel, _lost) = panel(vec![sound("outlier", "{}")]);
        verdict(&panel, member, 0);
        panel.replace(vec![broken("slow-start", "{}"), sound("outlier", "{}")]);
        assert_eq!(&*verdict(&panel, member, 0).reason, "asked 2");
        panel.replace(vec![sound("outlier", r#"{"x": 1}"#)]);
        assert_eq!(&*verdict(&panel, member, 0).reason, "asked 1", "another configuration");
        panel.replace(vec![broken("outlier", "{}")]);
        verdict(&panel, member, 0);
        panel.replace(vec![sound("outlier", "{}")]);
        assert_eq!(&*verdict(&panel, member, 0).reason, "asked 1", "nobody sat there any more");
    }

    #[test]
    fn a_policy_that_took_its_share_of_a_round_is_dropped_and_the_round_goes_on() {
        let takes = Duration::from_millis(100);
        let slow = seat("slow", Native { config: "", asked: 0, works: true, takes });
        let (panel, mut lost) = panel(vec![slow, sound("other", "")]);
        let figures = Arc::clone(&panel.chairs()[0].seated.as_ref().unwrap().figures);
        let endpoints: Vec<_> = members(20).into_iter().map(|member| (member, Observations::default())).collect();
        let start = Instant::now();
        let verdicts = panel.judge(&endpoints);
        assert!(start.elapsed() < Duration::from_millis(1_500), "{:?}", start.elapsed());
        assert_eq!((verdicts.len(), &*verdicts[19].reason), (20, "asked 20"));
        // Half of the second: there are two.
        assert_eq!(lost.try_recv().unwrap().fault, Fault::Deadline(ROUND / 2));
        let reading = figures.read();
        assert!(
            reading.deadlines == 1 && reading.judged <= 6 && reading.judged + reading.fallbacks == 20,
            "{reading:?}"
        );
    }
}
