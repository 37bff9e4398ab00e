//! The tables of an entry: which are spread, by which column, and which every shard has whole.

use std::collections::BTreeMap;

use super::super::super::document::At;
use super::super::super::file;
use super::super::super::problems::{Problems, Reported, Unique};
use super::super::super::read::closest;
use super::super::super::sql::{
    BackendSpec, CollationSpec, HoldingSpec, KeySpec, PartitionSpec, PlacementSpec, TableSpec,
};
use super::super::one_of;
use super::placement;

/// Each shard is asked by itself: more of them are a mistake.
const MOST_SHARDS: usize = 4096;

/// The shards that an entry names itself; none leaves it to the tables to name them.
pub(super) struct Shards(Option<Vec<String>>);

impl Shards {
    /// Takes `shards`.
    pub(super) fn given(file: Option<&[file::Word]>, at: &At, problems: &mut Problems<'_>) -> Result<Self, Reported> {
        let Some(words) = file else { return problems.spoiled(at).map_or(Ok(Self(None)), Err) };
        if words.is_empty() {
            return Err(problems.report(at, "there is none in it"));
        }
        let mut names = Unique::new("name");
        let mut shards = Vec::new();
        for (nth, word) in words.iter().enumerate() {
            let at = at.index(nth);
            shards.push(name(word, &at, problems).and_then(|name| {
                names.claim(name.clone(), &at, problems)?;
                Ok(name)
            }));
        }
        shards.into_iter().collect::<Result<_, _>>().map(|shards| Self(Some(shards)))
    }

    /// Sees that a shard that a table names is there.
    pub(super) fn has(&self, name: &str, at: &At, problems: &mut Problems<'_>) -> Result<(), Reported> {
        let known = match &self.0 {
            None if name.is_empty() => return Err(problems.report(at, "a shard has a name")),
            None => return Ok(()),
            Some(known) if known.iter().any(|known| known == name) => return Ok(()),
            Some(known) => known,
        };
        let advice = match closest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`shards` names those that there are".to_owned(),
        };
        Err(problems.advise(at, format!("there is no shard `{name}`"), advice))
    }

    /// All shards: those that are named, or else those that the tables name, in the order in which they do.
    pub(super) fn all(
        self,
        tables: &[TableSpec],
        at: &At,
        problems: &mut Problems<'_>,
    ) -> Result<Vec<String>, Reported> {
        let shards = match self.0 {
            Some(shards) => shards,
            None => {
                // What every endpoint says of itself does not say which endpoints there are to be; and a missing one must
                // not go unnoticed.
                let mut shards: Vec<String> = Vec::new();
                for name in tables.iter().flat_map(placed) {
                    if !shards.contains(name) {
                        shards.push(name.clone());
                    }
                }
                shards
            }
        };
        if shards.is_empty() || shards.len() > MOST_SHARDS {
            let message = format!("there are {}, which is not from 1 to {MOST_SHARDS}", shards.len());
            let advice = "say which there are: shards = [\"a\", \"b\", \"c\"], by the label `shard` of the endpoints or by \
                          their names";
            return Err(problems.advise(at, message, advice));
        }
        Ok(shards)
    }
}

/// The name of a shard.
pub(super) fn name(word: &file::Word, at: &At, problems: &mut Problems<'_>) -> Result<String, Reported> {
    match (&word.0, problems.spoiled(at)) {
        (_, Some(reported)) => Err(reported),
        (Some(name), None) if !name.is_empty() => Ok(name.clone()),
        (_, None) => Err(problems.report(at, "a shard has a name")),
    }
}

/// The shards that the placement of a table names.
fn placed(table: &TableSpec) -> Vec<&String> {
    let HoldingSpec::Partitioned(partition) = &table.holding else { return Vec::new() };
    match &partition.placement {
        PlacementSpec::Ranges(ranges) => ranges.iter().map(|(_, shard)| shard).collect(),
        PlacementSpec::RangesLabel(_) => Vec::new(),
        PlacementSpec::Hash(shards) => shards.iter().collect(),
        PlacementSpec::List(values) => values.iter().map(|(_, shard)| shard).collect(),
    }
}

/// Compiles all tables. What cannot be told without `shards` or the backend waits until these are put right.
pub(super) fn all(
    files: &BTreeMap<String, file::SqlTable>,
    at: &At,
    (shards, backend): (Option<&Shards>, Option<&BackendSpec>),
    problems: &mut Problems<'_>,
) -> Result<Vec<TableSpec>, Reported> {
    if let Some(reported) = problems.spoiled(at) {
        return Err(reported);
    }
    if files.is_empty() {
        let advice = format!("add [{at}.NAME] for each table: one that is not listed may not be asked for");
        return Err(problems.advise(at, "there is none", advice));
    }
    let unlisted = Shards(None);
    let mut names = Unique::new("name");
    let mut tables = Vec::new();
    for (name, file) in files {
        let at = at.key(name);
        let table = match (problems.spoiled(&at), plain(name, &at, problems)) {
            (Some(reported), _) | (None, Err(reported)) => Err(reported),
            (None, Ok(())) => holding(file, &at, shards.unwrap_or(&unlisted), problems)
                .map(|holding| TableSpec { name: name.clone(), holding }),
        };
        let told_apart = backend.map_or(Ok(()), |backend| names.claim(listed(backend, name), &at, problems));
        tables.push(told_apart.and(table));
    }
    tables.into_iter().collect()
}

/// Sees that a table is named without its schema: statements that write one before a name are not routed.
pub(super) fn plain(name: &str, at: &At, problems: &mut Problems<'_>) -> Result<(), Reported> {
    if !name.contains('.') {
        return Ok(());
    }
    let advice = "name it without its schema or database, and have the nodes find it so: PostgreSQL by the `search_path` of \
                  the user, MySQL by `database`";
    Err(problems.advise(at, format!("`{name}` is no plain name of a table"), advice))
}

/// A table's name as the dialect tells it from others.
fn listed(backend: &BackendSpec, name: &str) -> String {
    match backend {
        BackendSpec::Sqlite | BackendSpec::Http => name.to_ascii_lowercase(),
        BackendSpec::Postgres(_) | BackendSpec::MySql(_) => name.to_owned(),
    }
}

fn holding(
    file: &file::SqlTable,
    at: &At,
    shards: &Shards,
    problems: &mut Problems<'_>,
) -> Result<HoldingSpec, Reported> {
    if file.reference == Some(true) {
        return reference(file, at, problems).map(|()| HoldingSpec::Reference);
    }
    let column = file.key.clone().filter(|key| !key.is_empty());
    let column = problems.required(column, &at.key("key"), "say by which column the rows are spread: key = \"id\"");
    let kind = kind(file, at, problems);
    // Values of a type that is not known are not looked at.
    let placement = match kind {
        Ok(kind) => placement::compile(file, at, (kind, shards), problems),
        Err(reported) => Err(reported),
    };
    Ok(HoldingSpec::Partitioned(PartitionSpec { key: column?, kind: kind?, placement: placement? }))
}

/// A table that every shard has whole has nothing else to say.
fn reference(file: &file::SqlTable, at: &At, problems: &mut Problems<'_>) -> Result<(), Reported> {
    let given = [
        ("key", file.key.is_some()),
        ("type", file.kind.is_some()),
        ("collation", file.collation.is_some()),
        ("ranges", file.ranges.is_some()),
        ("ranges_label", file.ranges_label.is_some()),
        ("hash", file.hash.is_some()),
        ("list", file.list.is_some()),
    ];
    let mut silent = Ok(());
    for (key, _) in given.iter().filter(|(_, given)| *given) {
        let message = format!("every shard has all rows of a reference table, which has no `{key}`");
        silent = Err(problems.advise(&at.key(key), message, "take it out, or `reference`"));
    }
    silent
}

fn kind(file: &file::SqlTable, at: &At, problems: &mut Problems<'_>) -> Result<KeySpec, Reported> {
    let is_text = match &file.kind {
        None => problems.spoiled(&at.key("type")).map_or(Ok(false), Err),
        Some(text) => one_of(&[("integer", false), ("text", true)], text, &at.key("type"), problems),
    };
    let words = [
        ("bytes", CollationSpec::Bytes),
        ("deterministic", CollationSpec::Deterministic),
        ("other", CollationSpec::Other),
    ];
    match (is_text?, &file.collation) {
        (false, None) => Ok(KeySpec::Integer),
        (false, Some(_)) => {
            let message = "whole numbers have no collation";
            Err(problems.advise(&at.key("collation"), message, "if the key is text: type = \"text\""))
        }
        // Right for whatever the column has: reads go to every shard.
        (true, None) => Ok(KeySpec::Text(CollationSpec::Other)),
        (true, Some(text)) => one_of(&words, text, &at.key("collation"), problems).map(KeySpec::Text),
    }
}
