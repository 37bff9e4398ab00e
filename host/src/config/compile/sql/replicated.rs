//! `topology = "replicated"`: when writes are acknowledged, and where their log is.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::super::super::defaults::{APPLY_TIMEOUT, LEASE_PREFIX, LEASE_TERM, LOG_BYTES};
use super::super::super::document::At;
use super::super::super::file;
use super::super::super::problems::{Origin, Problems, Reported};
use super::super::super::settings::Cluster;
use super::super::super::sql::{Acknowledgement, LeaseSpec, ReplicatedSpec, SqlEntry, TopologySpec};
use super::super::sources::redis_url;
use super::super::{Surroundings, one_of};
use crate::model::SqlName;

/// Less could hold no more than what is under way.
const LEAST_LOG: u64 = 1 << 20;

/// Shorter, an answer of Redis that takes a second could cost the lease; longer, too long nobody writes.
const LEAST_TERM: Duration = Duration::from_secs(2);
const MOST_TERM: Duration = Duration::from_secs(300);

/// SQLite's files go further; a disk hardly does.
const MOST_LOG: u64 = 16 << 40;

/// Compiles what an entry says of its replication; `at` is the entry's.
pub(super) fn compile(
    (name, file): (&str, &file::Sql),
    at: &At,
    around: Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Result<ReplicatedSpec, Reported> {
    let ways = [Acknowledgement::AllUp, Acknowledgement::Majority, Acknowledgement::One].map(|way| (way.as_str(), way));
    let acknowledge = match &file.acknowledge {
        None => problems.spoiled(&at.key("acknowledge")).map_or(Ok(Acknowledgement::AllUp), Err),
        Some(text) => one_of(&ways, text, &at.key("acknowledge"), problems),
    };
    let log = log((name, file), &at.key("log"), around, problems);
    let lease = file.lease.as_ref().map(|file| lease(file, &at.key("lease"), problems)).transpose();
    let log_bytes = match file.log_bytes.map(|size| size.0) {
        None => Ok(LOG_BYTES),
        Some(size) if (LEAST_LOG..=MOST_LOG).contains(&size) => Ok(size),
        Some(size) => {
            let message = format!("{size} bytes are not from {LEAST_LOG} to {MOST_LOG}");
            Err(problems.report(&at.key("log_bytes"), message))
        }
    };
    let writers = functions(file.writers.as_deref(), &at.key("writers"), problems);
    let trusted = functions(file.trusted.as_deref(), &at.key("trusted"), problems);
    Ok(ReplicatedSpec {
        acknowledge: acknowledge?,
        log: log?,
        lease: lease?,
        log_bytes: log_bytes?,
        max_lag: file.max_lag.map_or(0, |entries| u64::from(entries.get())),
        apply_timeout: file.apply_timeout.map_or(APPLY_TIMEOUT, |period| period.0),
        writers: writers?,
        trusted: trusted?,
    })
}

/// The file of the log: the one that is named, or one below the folder of what is kept.
fn log(
    (name, file): (&str, &file::Sql),
    at: &At,
    around: Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Result<PathBuf, Reported> {
    if let Some(reported) = problems.spoiled(at) {
        return Err(reported);
    }
    match (&file.log, around.state) {
        (Some(path), _) if path.is_empty() => Err(problems.report(at, "a file has a name")),
        (Some(path), _) => Ok(around.folder.join(path)),
        (None, Some(state)) => Ok(state.join("sql").join(format!("{name}.log"))),
        (None, None) => {
            let advice = format!("say where it is to be kept: log = \"{name}.log\"");
            Err(problems.advise(at, "is missing, and nothing is kept elsewhere (`state` is off)", advice))
        }
    }
}

/// A lease in Redis.
fn lease(file: &file::SqlLease, at: &At, problems: &mut Problems<'_>) -> Result<LeaseSpec, Reported> {
    let here = at.key("redis");
    let url = match (&file.redis, problems.spoiled(&here)) {
        (Some(text), _) => redis_url(text, &Origin::File(here), problems),
        (None, Some(reported)) => Err(reported),
        (None, None) => Err(problems.advise(&here, "is missing", "as in redis = \"redis://127.0.0.1:6379\"")),
    };
    let term = match file.term.map_or(LEASE_TERM, |period| period.0) {
        term if (LEAST_TERM..=MOST_TERM).contains(&term) => Ok(term),
        term => {
            let message = format!("{term:?} is not from {LEAST_TERM:?} to {MOST_TERM:?}");
            let advice =
                "for so long nobody writes when the one that has it was killed; it is extended four times in it";
            Err(problems.advise(&at.key("term"), message, advice))
        }
    };
    let prefix = file.prefix.clone().unwrap_or_else(|| LEASE_PREFIX.to_owned());
    Ok(LeaseSpec { url: url?, prefix, term: term? })
}

/// Names of functions, each once.
fn functions(file: Option<&[file::Word]>, at: &At, problems: &mut Problems<'_>) -> Result<Vec<String>, Reported> {
    let Some(words) = file else { return problems.spoiled(at).map_or(Ok(Vec::new()), Err) };
    let mut names = Vec::new();
    for (nth, word) in words.iter().enumerate() {
        let at = at.index(nth);
        let is_plain = |name: &String| !name.is_empty() && !name.contains(['(', ')', ' ']);
        match &word.0 {
            None => names.push(problems.spoiled(&at).map_or(Ok(String::new()), Err)),
            Some(name) if is_plain(name) => names.push(Ok(name.clone())),
            Some(name) => {
                let advice = "the name alone, as in \"my_function\"";
                names.push(Err(problems.advise(&at, format!("`{name}` is no name of a function"), advice)));
            }
        }
    }
    names.into_iter().collect()
}

/// Refuses what would have rows come to nodes past the log: another entry over them; and nodes that are not all known.
pub(super) fn alone(
    (entry, spec): (&SqlEntry, &ReplicatedSpec),
    entries: &BTreeMap<SqlName, SqlEntry>,
    cluster: &Cluster,
    problems: &mut Problems<'_>,
) -> Result<(), Reported> {
    let at = At::root().key("sql").key(entry.name.as_str());
    let mut sound = Ok(());
    if !cluster.sources.is_empty() || cluster.scaling.is_some() {
        let message =
            format!("the log of sql.{} is kept until each node has it, so that all must be known", entry.name);
        let at = At::root().key("cluster").key(cluster.name.as_str());
        sound = Err(problems.advise(&at, message, "name each under `endpoints`, and take out discovery and scaling"));
    }
    let others = || entries.values().filter(|other| other.name != entry.name);
    if let Some(other) = others().find(|other| other.cluster == entry.cluster) {
        let message = format!("sql.{} has the same nodes: what it writes would not be in the log", other.name);
        sound = Err(problems.advise(&at.key("cluster"), message, "one entry for the nodes of a replicated database"));
    }
    let is_of = |other: &&SqlEntry| matches!(&other.topology, TopologySpec::Replicated(it) if it.log == spec.log);
    if let Some(other) = others().find(is_of) {
        let message = format!("sql.{} has the same log", other.name);
        sound = Err(problems.advise(&at.key("log"), message, "each replicated database has a log of its own"));
    }
    sound
}
