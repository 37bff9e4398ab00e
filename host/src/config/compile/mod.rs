//! From the file's types to the program's, with every mistake of meaning at once: each part is compiled whether or not
//! the one before it could be. One file for each part of the configuration.

mod admin;
mod check;
mod chosen;
mod circuit;
mod cluster;
mod failures;
mod health;
mod listener;
mod plugins;
mod pool;
mod ports;
mod recording;
mod retry;
mod route;
mod scaling;
mod sources;
mod sql;
mod url;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use super::defaults;
use super::document::At;
use super::file::{File, WorkerCount};
use super::overrides::{Overrides, WORKERS_VARIABLE};
use super::problems::{Problems, Reported};
use super::read::closest;
use super::settings::Config;
use super::sql::BackendSpec;
use super::units::Switch;
use crate::model::NameError;

/// What matters besides the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings<'a> {
    /// The folder that the file is in: relative paths start there.
    pub(super) folder: &'a Path,
    /// What the environment says.
    pub(super) overrides: &'a Overrides,
    /// Where what is to outlive the process is kept; none where nothing is.
    pub(super) state: Option<&'a Path>,
    /// What the nodes of the clusters are that SQL entries name.
    pub(super) backends: &'a Backends,
}

/// What the nodes of a cluster are, by its name.
pub(super) type Backends = BTreeMap<String, Result<BackendSpec, Reported>>;

/// Compiles the file, which is in a folder; relative paths start there.
pub(super) fn compile(
    mut file: File,
    (folder, overrides): (&Path, &Overrides),
    problems: &mut Problems<'_>,
) -> Result<Config, Reported> {
    let root = At::root();
    let pool_at = root.key("pool");
    // By name, so that a cluster with a mistake in it is not unknown as well.
    let mut names: BTreeSet<String> = file.cluster.keys().cloned().collect();
    let has_pool = file.pool.is_some();
    if has_pool || problems.spoiled(&pool_at).is_some() {
        names.insert(pool::NAME.to_owned());
    }
    if has_pool && file.cluster.contains_key(pool::NAME) {
        let advice = "give this one another name; [pool] makes one of this name";
        problems.advise(&root.key("cluster").key(pool::NAME), "the name is taken by [pool]", advice);
    }
    let entries: BTreeSet<String> = file.sql.keys().cloned().collect();
    let nobodys = Backends::new();
    let around = Surroundings { folder, overrides, state: None, backends: &nobodys };
    let state = self::folder(overrides.state.as_ref(), std::mem::take(&mut file.state), defaults::STATE_FOLDER, around);
    let around = Surroundings { state: state.as_deref(), ..around };
    let sql = sql::all(std::mem::take(&mut file.sql), &names, around, problems);
    sql::check_by_default(&mut file.cluster, &sql.backends, problems);
    let around = Surroundings { backends: &sql.backends, ..around };
    let workers = workers(file.workers, overrides, problems);
    let is_first = file.listener.is_empty();
    let pool = file.pool.map(|file| pool::compile(file, is_first, around, problems));
    let (pool, balancers) = pool.map(|pool| (pool.cluster, pool.listeners)).unzip();
    let balancers = balancers.unwrap_or_else(|| problems.spoiled(&pool_at).map_or(Ok(Vec::new()), Err));
    let targets = route::Targets { clusters: &names, sql: &entries };
    let listeners = listener::all(file.listener, balancers, targets, around.overrides, problems);
    let clusters = cluster::all(file.cluster, around, problems);
    let plugins = plugins::compile(file.plugins, around, problems);
    let admin = admin::compile(file.admin, around, problems);
    let recording = recording::compile((file.traces, file.access_log), around, problems);
    let (listeners, admin) = (listeners?, admin?);
    let apart = ports::admin_apart(&listeners, &admin, problems);
    let guarded = route::guarded(&listeners, &admin, problems);
    let mut clusters = clusters?;
    clusters.extend(pool.transpose()?.map(|cluster| (cluster.name.clone(), cluster)));
    let nodes_apart = ports::nodes_apart(&clusters, has_pool, (&listeners, &admin), problems);
    let entries = sql.entries?;
    sql::apart(&entries, &clusters, &listeners, problems)?;
    nodes_apart.and(apart).and(guarded)?;
    Ok(Config {
        workers: workers?,
        shutdown_timeout: file.shutdown_timeout.map_or(defaults::SHUTDOWN_TIMEOUT, |period| period.0),
        listeners,
        clusters,
        sql: entries,
        plugins: plugins?,
        admin,
        recording: recording?,
        state,
    })
}

fn workers(
    file: Option<WorkerCount>,
    overrides: &Overrides,
    problems: &mut Problems<'_>,
) -> Result<NonZeroUsize, Reported> {
    let count = match &overrides.workers {
        None => file,
        Some(text) => match text.trim().parse().ok().and_then(WorkerCount::new) {
            Some(count) => Some(count),
            None => {
                let message = format!("`{text}` is no number of workers");
                return Err(problems.variable(WORKERS_VARIABLE, message, "a whole number from 1 to 1024"));
            }
        },
    };
    Ok(count.and_then(|count| NonZeroUsize::new(count.count())).unwrap_or_else(defaults::workers))
}

/// A folder: the one that the environment names, or the file, or a usual one beside the file.
fn folder(over: Option<&PathBuf>, file: Switch, usual: &str, around: Surroundings<'_>) -> Option<PathBuf> {
    match (over, file) {
        (Some(path), _) => Some(path.clone()),
        (None, Switch::Off) => None,
        (None, Switch::Default) => Some(around.folder.join(usual)),
        (None, Switch::To(path)) => Some(around.folder.join(path)),
    }
}

/// A text that is no address to listen on.
#[derive(Debug)]
struct NoSocketAddress {
    message: String,
    advice: String,
}

/// Reads an address to listen on.
fn socket_address(text: &str) -> Result<SocketAddr, NoSocketAddress> {
    text.trim().parse().map_err(|_| {
        let port = text.rsplit(':').next().unwrap_or_default();
        let every = text.strip_prefix(':').unwrap_or(text);
        let advice = if port.parse::<u16>().is_err() {
            "an IP address and a port, as in `0.0.0.0:8080` or `[::]:8080`".to_owned()
        } else if every == port || text.starts_with("*:") {
            format!("to listen on every interface write `0.0.0.0:{port}`")
        } else if text.starts_with("localhost:") {
            format!("an IP address, not a name: write `127.0.0.1:{port}`")
        } else {
            "an IP address, not a name, as in `0.0.0.0:8080` or `[::]:8080`".to_owned()
        };
        NoSocketAddress { message: format!("`{text}` is no address to listen on"), advice }
    })
}

/// The name of what has none: its address, without the brackets of IPv6, which a name cannot hold.
fn name_from_address(address: &str) -> String {
    address.replace(['[', ']'], "")
}

/// Takes a name: the given one, or what the address gives.
fn name<N>(
    given: Option<&str>,
    address: &str,
    (new, at): (impl Fn(&str) -> Result<N, NameError>, &At),
    problems: &mut Problems<'_>,
) -> Result<N, Reported> {
    match given {
        Some(text) => new(text).map_err(|wrong| problems.report(&at.key("name"), wrong)),
        None => new(&name_from_address(address)).map_err(|wrong| {
            let message = format!("the address does not do as a name: {wrong}");
            problems.advise(at, message, "give it a name: name = \"...\"")
        }),
    }
}

/// Takes one of a few words.
fn one_of<T: Clone>(choices: &[(&str, T)], text: &str, at: &At, problems: &mut Problems<'_>) -> Result<T, Reported> {
    if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == text) {
        return Ok(choice.clone());
    }
    let words = || choices.iter().map(|(word, _)| *word);
    let same = words().find(|word| word.eq_ignore_ascii_case(text));
    let message = format!("`{text}` is none of `{}`", words().collect::<Vec<_>>().join("`, `"));
    Err(match same.or_else(|| closest(text, words())) {
        Some(near) => problems.advise(at, message, format!("did you mean `{near}`?")),
        None => problems.report(at, message),
    })
}
