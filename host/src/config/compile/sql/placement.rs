//! Which keys of a table are on which shard.

use std::collections::BTreeMap;

use super::super::super::document::At;
use super::super::super::file;
use super::super::super::problems::{Problems, Reported, Unique};
use super::super::super::sql::{KeySpec, KeyValue, PlacementSpec, RangeError, RangeSpec};
use super::table::{Shards, name};

/// What each way of placing rows looks like.
const WAYS: &str = "one of: ranges = { a = \"1..1000\", b = \"1000..\" }, hash = [\"a\", \"b\"], \
                    list = { a = [1, 2], b = [3] }, ranges_label = \"LABEL\", reference = true";

/// Compiles the one way in which the rows of a table are placed.
pub(super) fn compile(
    file: &file::SqlTable,
    at: &At,
    (kind, shards): (KeySpec, &Shards),
    problems: &mut Problems<'_>,
) -> Result<PlacementSpec, Reported> {
    let given = [
        ("ranges", file.ranges.is_some()),
        ("ranges_label", file.ranges_label.is_some()),
        ("hash", file.hash.is_some()),
        ("list", file.list.is_some()),
    ];
    let mut ways = given.iter().filter(|(_, given)| *given);
    let Some((first, _)) = ways.next() else {
        let spoiled = given.iter().chain(&[("reference", false)]).find_map(|(key, _)| problems.spoiled(&at.key(key)));
        return Err(spoiled.unwrap_or_else(|| problems.advise(at, "does not say where its rows are", WAYS)));
    };
    if let Some((second, _)) = ways.next() {
        return Err(problems.advise(&at.key(second), format!("there is `{first}`, too"), WAYS));
    }
    let at = at.key(first);
    if let Some(by_shard) = &file.ranges {
        return ranges(by_shard, &at, (kind, shards), problems).map(PlacementSpec::Ranges);
    }
    if let Some(words) = &file.hash {
        return hash(words, &at, shards, problems).map(PlacementSpec::Hash);
    }
    if let Some(by_shard) = &file.list {
        return list(by_shard, &at, (kind, shards), problems).map(PlacementSpec::List);
    }
    match file.ranges_label.clone().filter(|label| !label.is_empty()) {
        Some(label) => Ok(PlacementSpec::RangesLabel(label)),
        None => Err(problems.report(&at, "a label has a name")),
    }
}

fn ranges(
    by_shard: &BTreeMap<String, file::OneOrMore>,
    at: &At,
    (kind, shards): (KeySpec, &Shards),
    problems: &mut Problems<'_>,
) -> Result<Vec<(RangeSpec, String)>, Reported> {
    let mut ranges = Vec::new();
    for (shard, given) in by_shard {
        let at = at.key(shard);
        let known = shards.has(shard, &at, problems);
        let texts = match given {
            file::OneOrMore::One(text) => vec![(Ok(text.clone()), at)],
            file::OneOrMore::More(words) => {
                let text = |(nth, word): (usize, &file::Word)| (name(word, &at.index(nth), problems), at.index(nth));
                words.iter().enumerate().map(text).collect()
            }
        };
        for (text, at) in texts {
            let range = text.and_then(|text| {
                let range = RangeSpec::parse(&text, kind);
                range.map_err(|wrong| no_range(&wrong, &at, kind, problems))
            });
            ranges.push(known.and(range).map(|range| (range, shard.clone(), at)));
        }
    }
    let mut ranges: Vec<_> = ranges.into_iter().collect::<Result<_, _>>()?;
    if ranges.is_empty() {
        return Err(problems.report(at, "no shard holds any key"));
    }
    // In order, any two that overlap have two neighbours between them that do.
    ranges.sort_by(|(one, ..), (other, ..)| one.from.cmp(&other.from));
    let mut apart = Ok(());
    for ((one, shard, first), (other, _, second)) in ranges.iter().zip(ranges.iter().skip(1)) {
        if one.overlaps(other) {
            let line = problems.line(first).map(|line| format!(", line {line}")).unwrap_or_default();
            let message = format!("`{other}` overlaps with `{one}` of {shard}{line}: both would hold the same rows");
            apart = Err(problems.advise(second, message, "`1..1000` ends before 1000, where `1000..` may begin"));
        }
    }
    apart.map(|()| ranges.into_iter().map(|(range, shard, _)| (range, shard)).collect())
}

/// Reports a text that is no range.
fn no_range(wrong: &RangeError, at: &At, kind: KeySpec, problems: &mut Problems<'_>) -> Reported {
    match wrong {
        RangeError::NoInteger(_) if kind == KeySpec::Integer => {
            problems.advise(at, wrong, "if the key is text: type = \"text\"")
        }
        _ => problems.report(at, wrong),
    }
}

fn hash(words: &[file::Word], at: &At, shards: &Shards, problems: &mut Problems<'_>) -> Result<Vec<String>, Reported> {
    if words.is_empty() {
        return Err(problems.report(at, "no shard holds any key"));
    }
    let mut named = Vec::new();
    for (nth, word) in words.iter().enumerate() {
        let at = at.index(nth);
        named.push(name(word, &at, problems).and_then(|name| shards.has(&name, &at, problems).map(|()| name)));
    }
    named.into_iter().collect()
}

fn list(
    by_shard: &BTreeMap<String, Vec<file::KeyEntry>>,
    at: &At,
    (kind, shards): (KeySpec, &Shards),
    problems: &mut Problems<'_>,
) -> Result<Vec<(KeyValue, String)>, Reported> {
    let mut taken = Unique::new("key");
    let mut values = Vec::new();
    for (shard, entries) in by_shard {
        let at = at.key(shard);
        let known = shards.has(shard, &at, problems);
        for (nth, entry) in entries.iter().enumerate() {
            let at = at.index(nth);
            let value = value(entry, kind, &at, problems).and_then(|value| {
                taken.claim(value.clone(), &at, problems)?;
                Ok(value)
            });
            values.push(known.and(value).map(|value| (value, shard.clone())));
        }
    }
    if values.is_empty() {
        return Err(problems.report(at, "no shard holds any key"));
    }
    values.into_iter().collect()
}

fn value(entry: &file::KeyEntry, kind: KeySpec, at: &At, problems: &mut Problems<'_>) -> Result<KeyValue, Reported> {
    let (message, advice) = match (entry, kind, problems.spoiled(at)) {
        (.., Some(reported)) => return Err(reported),
        (file::KeyEntry::Integer(number), KeySpec::Integer, _) => return Ok(KeyValue::Integer(*number)),
        (file::KeyEntry::Text(text), KeySpec::Text(_), _) => return Ok(KeyValue::Text(text.clone())),
        (file::KeyEntry::Text(text), KeySpec::Integer, _) => {
            (format!("{text:?} is no whole number"), "if the key is text: type = \"text\"")
        }
        (file::KeyEntry::Integer(number), ..) => (format!("{number} is no text"), "texts stand in quotes"),
        (file::KeyEntry::Gone, ..) => ("is no key".to_owned(), "a whole number, or a text in quotes"),
    };
    Err(problems.advise(at, message, advice))
}
