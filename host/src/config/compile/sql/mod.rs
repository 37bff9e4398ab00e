//! SQL entries: what the nodes are, which rows they hold, and what a request may take. What an entry, its cluster and the
//! routes must be to each other is in `together`.

mod limits;
mod placement;
mod replicated;
mod table;
mod together;

use std::collections::{BTreeMap, BTreeSet};

use super::super::document::At;
use super::super::file;
use super::super::overrides::{TOTAL_RECORDS_VARIABLE, sql_password_variable};
use super::super::problems::{Problems, Reported};
use super::super::read::closest;
use super::super::secret_file::read_secret;
use super::super::sql::{BackendSpec, DatabaseSpec, PartitionedSpec, Secret, SplitSpec, SqlEntry, TopologySpec};
use super::{Backends, Surroundings, one_of};
use crate::model::{ClusterName, SqlName};

pub(super) use together::apart;

/// The entries, and what the nodes of each cluster are that one of them names: checks need it.
pub(super) struct Entries {
    /// All of them.
    pub(super) entries: Result<BTreeMap<SqlName, SqlEntry>, Reported>,
    /// By the names of the clusters.
    pub(super) backends: Backends,
}

/// Compiles all entries. `clusters` are the names that they may use.
pub(super) fn all(
    files: BTreeMap<String, file::Sql>,
    clusters: &BTreeSet<String>,
    around: Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Entries {
    let at = At::root().key("sql");
    if let Some(reported) = problems.spoiled(&at) {
        return Entries { entries: Err(reported), backends: Backends::new() };
    }
    let mut backends = Backends::new();
    let mut entries = Vec::new();
    for (name, file) in files {
        let at = at.key(&name);
        if let Some(reported) = problems.spoiled(&at) {
            entries.push(Err(reported));
            continue;
        }
        let backend = backend((&name, &file), &at, around, problems);
        if let Some(cluster) = &file.cluster {
            backends.entry(cluster.clone()).or_insert_with(|| backend.clone());
        }
        let entry = one((&name, file), &at, (backend, clusters, around), problems);
        entries.push(entry.map(|entry| (entry.name.clone(), entry)));
    }
    Entries { entries: entries.into_iter().collect(), backends }
}

/// Has the nodes of databases be checked by a statement where the file says nothing of checks. HTTP nodes answer other
/// things as well, so what they are asked is for the file to say.
pub(super) fn check_by_default(
    clusters: &mut BTreeMap<String, file::Cluster>,
    backends: &Backends,
    problems: &Problems<'_>,
) {
    let at = At::root().key("cluster");
    for (name, backend) in backends {
        let Some(cluster) = clusters.get_mut(name).filter(|cluster| cluster.health.check.is_none()) else { continue };
        let was_there = problems.spoiled(&at.key(name).key("health").key("check")).is_some();
        if !was_there && matches!(backend, Ok(backend) if *backend != BackendSpec::Http) {
            cluster.health.check = Some(file::Check { kind: Some("sql".to_owned()), ..file::Check::default() });
        }
    }
}

fn one(
    (name, file): (&str, file::Sql),
    at: &At,
    (backend, clusters, around): (Result<BackendSpec, Reported>, &BTreeSet<String>, Surroundings<'_>),
    problems: &mut Problems<'_>,
) -> Result<SqlEntry, Reported> {
    let sql_name = SqlName::new(name).map_err(|wrong| problems.report(at, wrong));
    let cluster = cluster(file.cluster.as_deref(), &at.key("cluster"), clusters, problems);
    let limits = limits::compile(&file.limits, &at.key("limits"), problems);
    let topology = topology((name, &file), at, (backend.as_ref().ok(), around), problems);
    Ok(SqlEntry { name: sql_name?, cluster: cluster?, backend: backend?, topology: topology?, limits: limits? })
}

fn cluster(
    name: Option<&str>,
    at: &At,
    clusters: &BTreeSet<String>,
    problems: &mut Problems<'_>,
) -> Result<ClusterName, Reported> {
    let name = problems.required(name, at, "say whose endpoints are the nodes: cluster = \"NAME\"")?;
    if let Some(reported) = problems.spoiled(&At::root().key("cluster").key(name)) {
        return Err(reported);
    }
    if !clusters.contains(name) {
        let advice = match closest(name, clusters.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("add [cluster.{name}]"),
        };
        return Err(problems.advise(at, format!("there is no cluster `{name}`"), advice));
    }
    // A name of the file's that cannot be one is reported there, at the cluster.
    ClusterName::new(name).map_err(|wrong| problems.report(at, wrong))
}

/// What a backend is, by its name.
#[derive(Clone, Copy)]
enum Kind {
    Sqlite,
    Http,
    Postgres,
    MySql,
}

fn backend(
    (name, file): (&str, &file::Sql),
    at: &At,
    around: Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Result<BackendSpec, Reported> {
    let kinds = [("sqlite", Kind::Sqlite), ("http", Kind::Http), ("postgres", Kind::Postgres), ("mysql", Kind::MySql)];
    let advice = "say what the nodes are: backend = \"sqlite\", \"http\", \"postgres\" or \"mysql\"";
    let kind = problems.required(file.backend.as_deref(), &at.key("backend"), advice);
    let kind = kind.and_then(|text| one_of(&kinds, text, &at.key("backend"), problems))?;
    match kind {
        Kind::Sqlite => nobody_asks(file, at, "a file", problems).map(|()| BackendSpec::Sqlite),
        Kind::Http => nobody_asks(file, at, "a node of this kind", problems).map(|()| BackendSpec::Http),
        Kind::Postgres => database((name, file), at, around, problems).map(BackendSpec::Postgres),
        Kind::MySql => database((name, file), at, around, problems).map(BackendSpec::MySql),
    }
}

/// Refuses what only servers of databases ask for.
fn nobody_asks(file: &file::Sql, at: &At, who: &str, problems: &mut Problems<'_>) -> Result<(), Reported> {
    let given = [
        ("database", file.database.is_some()),
        ("user", file.user.is_some()),
        ("password", file.password.is_some()),
        ("password_file", file.password_file.is_some()),
    ];
    let mut silent = Ok(());
    for (key, _) in given.iter().filter(|(_, given)| *given) {
        let advice = "take it out, or say backend = \"postgres\" or \"mysql\"";
        silent = Err(problems.advise(&at.key(key), format!("{who} has no `{key}`"), advice));
    }
    silent
}

fn database(
    (name, file): (&str, &file::Sql),
    at: &At,
    around: Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Result<DatabaseSpec, Reported> {
    let mut text = |key: &str, value: &Option<String>| {
        let value = value.clone().filter(|value| !value.is_empty());
        problems.required(value, &at.key(key), &format!("say which: {key} = \"NAME\""))
    };
    let (database, user) = (text("database", &file.database), text("user", &file.user));
    let password = password((name, file), at, around, problems);
    Ok(DatabaseSpec { database: database?, user: user?, password: password? })
}

/// The password: of the environment, else of the file, else of the file that it names.
fn password(
    (name, file): (&str, &file::Sql),
    at: &At,
    around: Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Result<Option<Secret>, Reported> {
    if file.password.is_some() && file.password_file.is_some() {
        let message = "there is a `password`, too";
        return Err(problems.advise(&at.key("password_file"), message, "one of them is enough: take the other out"));
    }
    if let Some(password) = around.overrides.sql_passwords.get(&sql_password_variable(name)) {
        return Ok(Some(password.clone()));
    }
    let Some(path) = &file.password_file else {
        return Ok(file.password.as_ref().map(|hidden| Secret::new(&*hidden.0)));
    };
    let path = around.folder.join(path);
    let text = read_secret(&path)
        .map_err(|why| problems.report(&at.key("password_file"), format!("{} {why}", path.display())))?;
    // Editors, and `echo`, put an end of line behind it.
    Ok(Some(Secret::new(text.trim_end_matches(['\r', '\n']))))
}

/// The topologies, by their names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Partitioned,
    Split,
    Replicated,
}

const WAYS: [(&str, Way); 3] =
    [("partitioned", Way::Partitioned), ("split", Way::Split), ("replicated", Way::Replicated)];

/// Which rows are where. What depends on the dialect waits until the backend is known.
fn topology(
    (name, file): (&str, &file::Sql),
    at: &At,
    (backend, around): (Option<&BackendSpec>, Surroundings<'_>),
    problems: &mut Problems<'_>,
) -> Result<TopologySpec, Reported> {
    let way = match &file.topology {
        None if file.split.is_some() => Way::Split,
        None => problems.spoiled(&at.key("topology")).map_or(Ok(Way::Partitioned), Err)?,
        Some(text) => one_of(&WAYS, text, &at.key("topology"), problems)?,
    };
    let clear = only_its_own(file, at, way, problems);
    let topology = match way {
        Way::Split => split(file.split.as_ref(), &at.key("split"), around, problems).map(TopologySpec::Split),
        Way::Partitioned => partitioned(file, at, backend, problems).map(TopologySpec::Partitioned),
        Way::Replicated => replicated::compile((name, file), at, around, problems).map(TopologySpec::Replicated),
    };
    clear.and(topology)
}

/// Refuses the keys of other topologies.
fn only_its_own(file: &file::Sql, at: &At, way: Way, problems: &mut Problems<'_>) -> Result<(), Reported> {
    let keys = [
        ("table", Way::Partitioned, !file.table.is_empty()),
        ("shards", Way::Partitioned, file.shards.is_some()),
        ("split", Way::Split, file.split.is_some()),
        ("acknowledge", Way::Replicated, file.acknowledge.is_some()),
        ("log", Way::Replicated, file.log.is_some()),
        ("lease", Way::Replicated, file.lease.is_some()),
        ("log_bytes", Way::Replicated, file.log_bytes.is_some()),
        ("max_lag", Way::Replicated, file.max_lag.is_some()),
        ("apply_timeout", Way::Replicated, file.apply_timeout.is_some()),
        ("writers", Way::Replicated, file.writers.is_some()),
        ("trusted", Way::Replicated, file.trusted.is_some()),
    ];
    let name = |way| WAYS.iter().find(|(_, known)| *known == way).map_or("", |(name, _)| *name);
    let mut clear = Ok(());
    for (key, of, _) in keys.into_iter().filter(|(_, of, given)| *given && *of != way) {
        let advice = match (way, of) {
            (Way::Replicated, _) => "take it out: every node holds all tables".to_owned(),
            _ => format!("take it out, or say topology = \"{}\"", name(of)),
        };
        clear = Err(problems.advise(&at.key(key), format!("the topology `{}` has none", name(way)), advice));
    }
    clear
}

fn partitioned(
    file: &file::Sql,
    at: &At,
    backend: Option<&BackendSpec>,
    problems: &mut Problems<'_>,
) -> Result<PartitionedSpec, Reported> {
    let given = table::Shards::given(file.shards.as_deref(), &at.key("shards"), problems);
    let tables = table::all(&file.table, &at.key("table"), (given.as_ref().ok(), backend), problems);
    let (given, tables) = (given?, tables?);
    let shards = given.all(&tables, &at.key("shards"), problems)?;
    Ok(PartitionedSpec { shards, tables })
}

fn split(
    file: Option<&file::SqlSplit>,
    at: &At,
    around: Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Result<SplitSpec, Reported> {
    let advice = "say which scan is divided: split = { table = \"NAME\", key = \"id\", total_records = 10_000 }";
    let file = problems.required(file, at, advice)?;
    let mut text = |key: &str, value: &Option<String>, advice: &str| {
        let value = value.clone().filter(|value| !value.is_empty());
        problems.required(value, &at.key(key), advice)
    };
    let table = text("table", &file.table, "say which: table = \"NAME\"");
    let key = text("key", &file.key, "say by which column of whole numbers: key = \"id\"");
    let table = table.and_then(|table| table::plain(&table, &at.key("table"), problems).map(|()| table));
    let total_records = match &around.overrides.total_records {
        Some(text) => text.trim().parse::<i64>().ok().filter(|total| *total > 0).ok_or_else(|| {
            let message = format!("`{text}` is no number of records");
            problems.variable(TOTAL_RECORDS_VARIABLE, message, "a whole number from 1 on")
        }),
        None => {
            let at = at.key("total_records");
            let advice = "say how many records there are, about: total_records = 10_000";
            match problems.required(file.total_records, &at, advice) {
                Ok(total) if total < 1 => Err(problems.report(&at, format!("{total} cannot be divided"))),
                total => total,
            }
        }
    };
    Ok(SplitSpec { table: table?, key: key?, total_records: total_records?.unsigned_abs() })
}
