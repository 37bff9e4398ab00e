//! How endpoints are watched and judged; what is asked of them is in `check`.

use std::time::Duration;

use super::super::defaults;
use super::super::document::At;
use super::super::file;
use super::super::problems::{Problems, Reported};
use super::super::resilience::{Health, PolicySpec};
use super::super::units::Period;
use super::{Surroundings, check, chosen, one_of};
use crate::model::{PanicChoice, PanicRule};

/// Policies judge ten times a second: a window below that would be empty now and then.
const LEAST_WINDOW: Duration = Duration::from_millis(100);

/// What was seen is kept for as long, of every endpoint; and a judgement by what was long ago is none.
const MOST_WINDOW: Duration = Duration::from_secs(600);

/// Compiles `health` of a cluster.
pub(super) fn compile(
    (cluster, file): (&str, file::Health),
    at: &At,
    around: Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Result<Health, Reported> {
    let default = Health::default();
    let check_at = at.key("check");
    let policies = match file.policies {
        Some(policies) => {
            let stated = file.check.as_ref().map_or(Ok(()), |file| counts_are_theirs(file, &check_at, problems));
            self::policies(policies, &at.key("policies"), problems).and_then(|policies| stated.map(|()| policies))
        }
        None => file.check.as_ref().map_or(Ok(default.policies), |check| default_policy(check, at, problems)),
    };
    let window = match file.window.map_or(default.window, |period| period.0) {
        window if (LEAST_WINDOW..=MOST_WINDOW).contains(&window) => Ok(window),
        window => Err(problems.report(&at.key("window"), format!("{} is not from 100ms to 10m", Period(window)))),
    };
    let panic = panic_rule(&file.panic, &at.key("panic"), problems);
    let check = file.check.map(|file| check::compile((cluster, file), &check_at, around, problems)).transpose();
    Ok(Health {
        check: check?,
        policies: policies?,
        window: window?,
        panic: panic?,
        drain_timeout: file.drain_timeout.map_or(default.drain_timeout, |period| period.0),
    })
}

fn policies(files: Vec<file::PolicyEntry>, at: &At, problems: &mut Problems<'_>) -> Result<Vec<PolicySpec>, Reported> {
    let mut policies = Vec::new();
    for (nth, file::PolicyEntry(file)) in files.into_iter().enumerate() {
        let policy = chosen::compile(file, &at.index(nth), problems);
        policies.push(policy.map(|(plugin, config)| PolicySpec { plugin, config }));
    }
    policies.into_iter().collect()
}

/// The policy of a cluster that has checks and names none, with the counts that stand beside the check.
fn default_policy(check: &file::Check, at: &At, problems: &mut Problems<'_>) -> Result<Vec<PolicySpec>, Reported> {
    let mut file = file::Plugin::from(defaults::POLICY.to_owned());
    for (key, count) in [("rise", check.rise), ("fall", check.fall)] {
        file.config.extend(count.map(|count| (key.to_owned(), toml::Value::from(count.get()))));
    }
    let (plugin, config) = chosen::compile(file, &at.key("policies"), problems)?;
    Ok(vec![PolicySpec { plugin, config }])
}

/// Refuses `rise` and `fall` beside policies that would not hear of them.
fn counts_are_theirs(file: &file::Check, at: &At, problems: &mut Problems<'_>) -> Result<(), Reported> {
    let mut stated = Ok(());
    for (key, count) in [("rise", file.rise), ("fall", file.fall)] {
        let Some(count) = count.map(|count| count.get()) else { continue };
        let message = format!("is only for a cluster without `policies`: with them, `{key}` is a policy's");
        let advice = format!("policies = [{{ plugin = \"{}\", config = {{ {key} = {count} }} }}]", defaults::POLICY);
        stated = Err(problems.advise(&at.key(key), message, advice));
    }
    stated
}

fn panic_rule(file: &file::Panic, at: &At, problems: &mut Problems<'_>) -> Result<PanicRule, Reported> {
    let default = PanicRule::default();
    let choices = [("all", PanicChoice::All), ("none", PanicChoice::None), ("last-good", PanicChoice::LastGood)];
    let choose = match &file.choose {
        None => default.choose,
        Some(text) => one_of(&choices, text, &at.key("choose"), problems)?,
    };
    Ok(PanicRule { below_percent: file.below.map_or(default.below_percent, |below| below.percent()), choose })
}
