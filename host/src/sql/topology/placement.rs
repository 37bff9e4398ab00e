//! Owns where the rows of a partitioned table lie: which shard has a key, and which shards may have keys of a set.
//!
//! A placement cannot be wrong by itself: ranges do not overlap, lists do not name a key twice. Gaps are allowed; a
//! key that is asked for by name and lies in one is an error, never a broadcast.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Bound;

use super::key::{Key, KeyKind};
use super::keys::{Cut, KeySet, Span};

/// How many keys of short ranges are hashed one by one before every shard is taken. It bounds the work of one
/// statement to some microseconds.
const KEYS_HASHED: usize = 1_000;

/// A shard: its place in the list of a topology's nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(pub u16);

impl Shard {
    /// Stands for any shard: all of them answer alike. None has this number, a topology counts fewer.
    pub const ANY: Self = Self(u16::MAX);
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {}", self.0)
    }
}

/// The keys of one shard, as the operator gives them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// Where it begins.
    pub from: Bound<Key>,
    /// Where it ends.
    pub to: Bound<Key>,
    /// Who holds it.
    pub shard: Shard,
}

/// Why a placement cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// Nothing is placed anywhere.
    #[error("no shard holds any key")]
    Empty,
    /// A range ends before it begins.
    #[error("the range {0} holds no key")]
    EmptyRange(String),
    /// Two shards would hold the same key.
    #[error("the ranges {0} and {1} overlap")]
    Overlap(String, String),
    /// A key is listed twice.
    #[error("the key {0} is listed for {1} and again for {2}")]
    Twice(Key, Shard, Shard),
    /// Text among integers, or the other way round.
    #[error("{0} is not of the key's type")]
    WrongKind(Key),
}

/// A key that no shard holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key {0} lies in no range of any shard")]
pub struct OutOfRange(pub Key);

/// Which shard has which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    rule: Rule,
    shards: BTreeSet<Shard>,
    /// Who holds rows without a key. Nobody does, so that whoever asks for them asks all; but a split scan gives
    /// them to one node.
    null: Option<Shard>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    /// In order, not overlapping.
    Ranges(Vec<(Span, Shard)>),
    /// `hash(key) % len`.
    Hash(Vec<Shard>),
    List(BTreeMap<Key, Shard>),
}

impl Placement {
    /// By ranges of the key. Gaps are allowed, and a shard may have several.
    pub fn ranges(kind: KeyKind, given: Vec<KeyRange>) -> Result<Self, PlacementError> {
        let mut ranges = Vec::with_capacity(given.len());
        for range in given {
            for bound in [&range.from, &range.to] {
                if let Bound::Included(key) | Bound::Excluded(key) = bound
                    && !kind.fits(key)
                {
                    return Err(PlacementError::WrongKind(key.clone()));
                }
            }
            let span = Span { from: lower(range.from.clone()), to: upper(range.to.clone()) };
            if span.from >= span.to {
                return Err(PlacementError::EmptyRange(shown(&range)));
            }
            ranges.push((span, range));
        }
        ranges.sort_by(|(one, _), (other, _)| one.cmp(other));
        for ((one, first), (other, second)) in ranges.iter().zip(ranges.iter().skip(1)) {
            if other.from < one.to {
                return Err(PlacementError::Overlap(shown(first), shown(second)));
            }
        }
        Self::new(Rule::Ranges(ranges.into_iter().map(|(span, range)| (span, range.shard)).collect()), None)
    }

    /// By [`hash`] of the key, modulo the number of shards. The order of the shards matters.
    pub fn hashed(shards: Vec<Shard>) -> Result<Self, PlacementError> {
        Self::new(Rule::Hash(shards), None)
    }

    /// By a list of keys for each shard.
    pub fn listed(kind: KeyKind, given: impl IntoIterator<Item = (Key, Shard)>) -> Result<Self, PlacementError> {
        let mut list = BTreeMap::new();
        for (key, shard) in given {
            if !kind.fits(&key) {
                return Err(PlacementError::WrongKind(key));
            }
            if let Some(first) = list.insert(key.clone(), shard) {
                return Err(PlacementError::Twice(key, first, shard));
            }
        }
        Self::new(Rule::List(list), None)
    }

    /// By spans in order that leave no gap, NULL with the last.
    pub(super) fn sliced(spans: Vec<(Span, Shard)>) -> Result<Self, PlacementError> {
        let last = spans.last().map(|(_, shard)| *shard);
        Self::new(Rule::Ranges(spans), last)
    }

    fn new(rule: Rule, null: Option<Shard>) -> Result<Self, PlacementError> {
        let shards: BTreeSet<Shard> = match &rule {
            Rule::Ranges(ranges) => ranges.iter().map(|(_, shard)| *shard).collect(),
            Rule::Hash(shards) => shards.iter().copied().collect(),
            Rule::List(list) => list.values().copied().collect(),
        };
        if shards.is_empty() { Err(PlacementError::Empty) } else { Ok(Self { rule, shards, null }) }
    }

    /// Every shard that may hold rows.
    pub fn shards(&self) -> &BTreeSet<Shard> {
        &self.shards
    }

    /// The shard that holds `key`.
    pub fn shard_of(&self, key: &Key) -> Result<Shard, OutOfRange> {
        let found = match &self.rule {
            Rule::Ranges(ranges) => {
                let cut = Cut::before(key.clone());
                let at = ranges.partition_point(|(span, _)| span.to <= cut);
                ranges.get(at).filter(|(span, _)| span.from <= cut).map(|(_, shard)| *shard)
            }
            Rule::Hash(shards) => bucket(hash(key), shards),
            Rule::List(list) => list.get(key).copied(),
        };
        found.ok_or_else(|| OutOfRange(key.clone()))
    }

    /// The shards that may hold a row whose key is in `keys`.
    ///
    /// Keys that are asked for one by one must all lie somewhere. Of a range only what is placed counts: asking for
    /// what comes after the last key is no mistake.
    pub fn shards_of(&self, keys: &KeySet) -> Result<BTreeSet<Shard>, OutOfRange> {
        let points: Option<Vec<Key>> = keys.spans().iter().map(Span::point).collect();
        let mut found = match points {
            Some(points) => points.iter().map(|key| self.shard_of(key)).collect::<Result<_, _>>()?,
            None => self.shards_of_spans(keys.spans()),
        };
        match (keys.has_null(), self.null) {
            (true, Some(shard)) => {
                found.insert(shard);
            }
            (true, None) => return Ok(self.shards.clone()),
            (false, _) => {}
        }
        Ok(found)
    }

    fn shards_of_spans(&self, spans: &[Span]) -> BTreeSet<Shard> {
        match &self.rule {
            Rule::Ranges(ranges) => spans
                .iter()
                .flat_map(|asked| {
                    let at = ranges.partition_point(|(span, _)| span.to <= asked.from);
                    ranges.iter().skip(at).take_while(|(span, _)| span.from < asked.to)
                })
                .map(|(_, shard)| *shard)
                .collect(),
            Rule::Hash(shards) => few_keys(spans).map_or_else(
                || self.shards.clone(),
                |keys| keys.iter().filter_map(|key| bucket(hash(key), shards)).collect(),
            ),
            Rule::List(list) => {
                spans.iter().flat_map(|span| list.range(bounds(span))).map(|(_, shard)| *shard).collect()
            }
        }
    }
}

/// The hash that places keys: FNV-1a of 64 bits over the bytes of the text, or the eight bytes of the integer, least
/// significant first, then the finaliser of splitmix64, as FNV alone spreads short keys badly. Rows lie where it says:
/// it never changes.
pub fn hash(key: &Key) -> u64 {
    let fnv = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
    };
    let hash = match key {
        Key::Int(number) => fnv(&number.to_le_bytes()),
        Key::Text(text) => fnv(text.as_bytes()),
    };
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

fn bucket(hash: u64, shards: &[Shard]) -> Option<Shard> {
    let at = hash.checked_rem(shards.len() as u64)?;
    shards.get(usize::try_from(at).ok()?).copied()
}

/// The keys of the spans, when they can be counted and are few.
fn few_keys(spans: &[Span]) -> Option<Vec<Key>> {
    let mut keys = Vec::new();
    for span in spans {
        if let Some(key) = span.point() {
            keys.push(key);
            continue;
        }
        let from = match &span.from {
            Cut::Lowest => i64::MIN,
            Cut::Before(Key::Int(from)) => *from,
            _ => return None,
        };
        let last = match &span.to {
            Cut::Highest => i64::MAX,
            Cut::Before(Key::Int(to)) => to.checked_sub(1)?,
            _ => return None,
        };
        if usize::try_from(last.abs_diff(from)).ok()?.checked_add(keys.len())? >= KEYS_HASHED {
            return None;
        }
        keys.extend((from..=last).map(Key::Int));
    }
    (keys.len() <= KEYS_HASHED).then_some(keys)
}

fn lower(bound: Bound<Key>) -> Cut {
    match bound {
        Bound::Unbounded => Cut::Lowest,
        Bound::Included(key) => Cut::before(key),
        Bound::Excluded(key) => Cut::after(key),
    }
}

fn upper(bound: Bound<Key>) -> Cut {
    match bound {
        Bound::Unbounded => Cut::Highest,
        Bound::Included(key) => Cut::after(key),
        Bound::Excluded(key) => Cut::before(key),
    }
}

fn bounds(span: &Span) -> (Bound<&Key>, Bound<&Key>) {
    let from = match &span.from {
        Cut::Lowest | Cut::Highest => Bound::Unbounded,
        Cut::Before(key) => Bound::Included(key),
        Cut::After(key) => Bound::Excluded(key),
    };
    let to = match &span.to {
        Cut::Lowest | Cut::Highest => Bound::Unbounded,
        Cut::Before(key) => Bound::Excluded(key),
        Cut::After(key) => Bound::Included(key),
    };
    (from, to)
}

fn shown(range: &KeyRange) -> String {
    let from = match &range.from {
        Bound::Unbounded => "(..".to_owned(),
        Bound::Included(key) => format!("[{key}"),
        Bound::Excluded(key) => format!("({key}"),
    };
    let to = match &range.to {
        Bound::Unbounded => "..)".to_owned(),
        Bound::Included(key) => format!("{key}]"),
        Bound::Excluded(key) => format!("{key})"),
    };
    format!("{from}, {to} of {}", range.shard)
}
