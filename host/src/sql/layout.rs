//! Owns how the endpoints of a cluster become the shards of an entry: who holds which shard and may be asked now, and the
//! topology that follows. Pure: made anew whenever the roster or a circuit changes, and never kept longer.
//!
//! Partitioned, the shards are those that the configuration names, in its order, whoever is there: one that nobody can be
//! asked for keeps its place without members, so that a statement that needs it fails by its name and is never answered
//! without its rows. Split, the shards are the nodes that may be asked now, ordered by name, and the ranges follow from
//! their number.

mod labels;
#[cfg(test)]
mod tests;
mod words;

use std::num::NonZeroU16;
use std::ops::Bound;
use std::sync::Arc;

use super::dialect::Dialect;
use super::topology::{
    BadTotal, Collation, Holding, Key, KeyKind, KeyRange, Partition, Placement, PlacementError, Shard, Split, Topology,
    TopologyError,
};
use crate::circuit::Circuits;
use crate::cluster::{Member, Roster};
use crate::config::{
    BackendSpec, CollationSpec, HoldingSpec, KeySpec, KeyValue, PartitionSpec, PartitionedSpec, PlacementSpec,
    RangeError, RangeSpec, SplitSpec, SqlEntry, TopologySpec,
};
use crate::model::{CircuitState, EndpointId, EndpointName};

use labels::Said;

pub use words::TableWords;

/// What lies where, and who holds it.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Which shards a key is on.
    pub topology: Arc<Topology>,
    /// The shards, in the order in which the topology counts them.
    pub shards: Vec<ShardNodes>,
    /// Where the rows of each table are, for people.
    pub tables: Vec<TableWords>,
}

/// One shard.
#[derive(Clone, Debug)]
pub struct ShardNodes {
    /// Its name: of the configuration where rows are partitioned, of its node where a scan is split.
    pub name: String,
    /// How many nodes hold it, whether they may be asked now or not.
    pub holders: usize,
    /// Who holds it and may be asked now; where a scan is split, all of them, the one whose part it is before the others.
    pub members: Vec<Arc<Member>>,
}

/// Why there is no layout, so that no statement can be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A split scan has nobody to do it.
    #[error("no node may be asked now")]
    NoNodes,
    /// More nodes than can be counted.
    #[error("there are {0} shards, which is too many")]
    TooMany(usize),
    /// An endpoint that holds a shard does not say which keys.
    #[error("the endpoint {endpoint} has no label `{label}`, which is to say which keys of {table} are there")]
    NoLabel {
        /// The endpoint.
        endpoint: EndpointName,
        /// The label.
        label: String,
        /// The table.
        table: String,
    },
    /// What it says cannot be read.
    #[error("the label `{label}` of the endpoint {endpoint}: {why}")]
    BadLabel {
        /// The endpoint.
        endpoint: EndpointName,
        /// The label.
        label: String,
        /// Why not.
        why: RangeError,
    },
    /// Two endpoints say that they hold the same shard, but with other keys.
    #[error("the endpoints {one} and {other} hold the same shard, but their labels `{label}` differ")]
    Contradiction {
        /// One endpoint.
        one: EndpointName,
        /// Another.
        other: EndpointName,
        /// The label.
        label: String,
    },
    /// Two shards would hold the same keys.
    #[error(transparent)]
    Overlap(Box<Overlap>),
    /// A table names a shard that there is not.
    #[error("of {table}, rows are placed on the shard {shard}, which there is not")]
    NoSuchShard {
        /// The table.
        table: String,
        /// The shard.
        shard: String,
    },
    /// The rows of a table cannot be placed so.
    #[error("the table {table}: {why}")]
    Placement {
        /// The table.
        table: String,
        /// Why not.
        why: PlacementError,
    },
    /// The tables do not make a topology.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Topology(Vec<TopologyError>),
    /// The scan cannot be divided.
    #[error(transparent)]
    Total(#[from] BadTotal),
}

/// Two ranges that would hold the same keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("of {table}, `{range}` of the shard {shard} overlaps with `{other_range}` of {other}")]
pub struct Overlap {
    /// The table.
    pub table: String,
    /// A range.
    pub range: RangeSpec,
    /// Whose it is.
    pub shard: String,
    /// The other range.
    pub other_range: RangeSpec,
    /// Whose that is.
    pub other: String,
}

/// Lays an entry out over the members that there are.
///
/// # Errors
/// When no statement could be answered rightly: see [`LayoutError`].
pub fn layout(spec: &SqlEntry, roster: &Roster, circuits: &Circuits) -> Result<Layout, LayoutError> {
    laid_out(spec, roster, |id| circuits.state(id) != CircuitState::Open)
}

fn laid_out(spec: &SqlEntry, roster: &Roster, passes: impl Fn(EndpointId) -> bool) -> Result<Layout, LayoutError> {
    let mut askable: Vec<&Arc<Member>> = roster.ready().iter().filter(|member| passes(member.id())).collect();
    // Ids say who came first, which differs from one Leverframe to the next.
    askable.sort_by(|one, other| one.endpoint().spec.name.cmp(&other.endpoint().spec.name));
    match &spec.topology {
        TopologySpec::Partitioned(partitioned) => {
            let untried =
                roster.members().iter().filter(|member| member.standing().is_untried() && passes(member.id()));
            let untried: Vec<&Arc<Member>> = untried.collect();
            partition(spec, partitioned, roster, (&askable, &untried))
        }
        TopologySpec::Split(split) => divide(spec, split, &askable),
        TopologySpec::Replicated(_) => everywhere(spec, roster, &askable),
    }
}

/// The dialect of a backend.
pub fn dialect(backend: &BackendSpec) -> Dialect {
    match backend {
        BackendSpec::Sqlite | BackendSpec::Http => Dialect::Sqlite,
        BackendSpec::Postgres(_) => Dialect::Postgres,
        BackendSpec::MySql(_) => Dialect::MySql,
    }
}

/// Each node holds its own rows. A shard that nobody else can answer for is asked of nodes that wait for their first check:
/// as all nodes do at a start, where some have passed it before others.
fn partition(
    spec: &SqlEntry,
    partitioned: &PartitionedSpec,
    roster: &Roster,
    (askable, untried): (&[&Arc<Member>], &[&Arc<Member>]),
) -> Result<Layout, LayoutError> {
    let names = &partitioned.shards;
    let count = counted(names.len())?;
    let (mut tables, mut words) = (Vec::new(), Vec::new());
    for table in &partitioned.tables {
        let (holding, told) = match &table.holding {
            HoldingSpec::Reference => (Holding::Reference, TableWords::reference(&table.name)),
            HoldingSpec::Partitioned(partition) => {
                let said = labels::read(&table.name, partition, names, roster)?;
                let told = TableWords::partitioned(&table.name, partition, said.as_ref(), names);
                (Holding::Partitioned(spread(&table.name, partition, said.as_ref(), names)?), told)
            }
        };
        tables.push((table.name.clone(), holding));
        words.push(told);
    }
    let topology = Topology::partitioned(dialect(&spec.backend), count, tables).map_err(LayoutError::Topology)?;
    let holders = |shard: &String| {
        let holds = |member: &&Arc<Member>| member.endpoint().spec.shard() == shard;
        let among = |members: &[&Arc<Member>]| members.iter().copied().filter(holds).cloned().collect::<Vec<_>>();
        let members = Some(among(askable)).filter(|ready| !ready.is_empty()).unwrap_or_else(|| among(untried));
        ShardNodes { name: shard.clone(), holders: roster.members().iter().filter(holds).count(), members }
    };
    Ok(Layout { topology: Arc::new(topology), shards: names.iter().map(holders).collect(), tables: words })
}

/// Every node holds all rows.
fn divide(spec: &SqlEntry, split: &SplitSpec, askable: &[&Arc<Member>]) -> Result<Layout, LayoutError> {
    let count = match askable.len() {
        0 => return Err(LayoutError::NoNodes),
        many => counted(many)?,
    };
    let names: Vec<String> = askable.iter().map(|member| member.endpoint().spec.name.to_string()).collect();
    let scan = Split::new(&split.table, &split.key, split.total_records)?;
    let words = vec![TableWords::split(&split.table, &split.key, &scan.over(count), &names)];
    let topology = Topology::split(dialect(&spec.backend), &scan, count)
        .map_err(|why| LayoutError::Placement { table: split.table.clone(), why })?;
    let shards = names.into_iter().enumerate().map(|(nth, name)| {
        let own_first = askable.iter().cycle().skip(nth).take(askable.len());
        ShardNodes { name, holders: askable.len(), members: own_first.copied().cloned().collect() }
    });
    Ok(Layout { topology: Arc::new(topology), shards: shards.collect(), tables: words })
}

/// Every node holds everything: they are one shard.
fn everywhere(spec: &SqlEntry, roster: &Roster, askable: &[&Arc<Member>]) -> Result<Layout, LayoutError> {
    let topology = Topology::partitioned(dialect(&spec.backend), counted(1)?, []).map_err(LayoutError::Topology)?;
    let members = askable.iter().copied().cloned().collect();
    let shard = ShardNodes { name: "any node".to_owned(), holders: roster.members().len(), members };
    Ok(Layout { topology: Arc::new(topology), shards: vec![shard], tables: Vec::new() })
}

fn counted(shards: usize) -> Result<NonZeroU16, LayoutError> {
    let count = u16::try_from(shards).ok().and_then(NonZeroU16::new);
    count.ok_or(LayoutError::TooMany(shards))
}

/// A table's rows, placed on shards by their numbers.
fn spread(
    table: &str,
    partition: &PartitionSpec,
    said: Option<&Said>,
    names: &[String],
) -> Result<Partition, LayoutError> {
    let number = |name: &String| match names.iter().zip(0..).find(|(known, _)| *known == name) {
        Some((_, nth)) => Ok(Shard(nth)),
        None => Err(LayoutError::NoSuchShard { table: table.to_owned(), shard: name.clone() }),
    };
    let numbered = |ranges: &[(RangeSpec, String)]| -> Result<Vec<KeyRange>, LayoutError> {
        ranges.iter().map(|(range, shard)| number(shard).map(|shard| key_range(range, shard))).collect()
    };
    let kind = kind(partition.kind);
    let placed = match (&partition.placement, said) {
        (_, Some(said)) => {
            let mut ranges = numbered(&said.ranges)?;
            // Whatever nobody says that it holds may be on a shard that is away: to ask for it is to ask that shard,
            // which fails by its name.
            if let Some(away) = said.away.first() {
                ranges.extend(labels::gaps(&ranges, number(away)?));
            }
            Placement::ranges(kind, ranges)
        }
        (PlacementSpec::Ranges(ranges), None) => Placement::ranges(kind, numbered(ranges)?),
        (PlacementSpec::RangesLabel(_), None) => Err(PlacementError::Empty),
        (PlacementSpec::Hash(shards), None) => Placement::hashed(shards.iter().map(number).collect::<Result<_, _>>()?),
        (PlacementSpec::List(values), None) => {
            let value = |(value, shard): &(KeyValue, String)| number(shard).map(|shard| (key(value), shard));
            Placement::listed(kind, values.iter().map(value).collect::<Result<Vec<_>, _>>()?)
        }
    };
    let placement = placed.map_err(|why| LayoutError::Placement { table: table.to_owned(), why })?;
    Ok(Partition { key: partition.key.clone(), kind, placement })
}

fn kind(kind: KeySpec) -> KeyKind {
    match kind {
        KeySpec::Integer => KeyKind::Integer,
        KeySpec::Text(CollationSpec::Bytes) => KeyKind::Text(Collation::Bytes),
        KeySpec::Text(CollationSpec::Deterministic) => KeyKind::Text(Collation::BytesWhenEqual),
        KeySpec::Text(CollationSpec::Other) => KeyKind::Text(Collation::Other),
    }
}

fn key(value: &KeyValue) -> Key {
    match value {
        KeyValue::Integer(number) => Key::Int(*number),
        KeyValue::Text(text) => Key::Text(text.clone()),
    }
}

fn key_range(range: &RangeSpec, shard: Shard) -> KeyRange {
    let from = range.from.as_ref().map_or(Bound::Unbounded, |from| Bound::Included(key(from)));
    let to = match &range.to {
        Bound::Unbounded => Bound::Unbounded,
        Bound::Included(to) => Bound::Included(key(to)),
        Bound::Excluded(to) => Bound::Excluded(key(to)),
    };
    KeyRange { from, to, shard }
}
