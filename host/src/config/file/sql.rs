//! `[sql.NAME]`: a database to its clients, spread over the endpoints of a cluster.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, de};

use super::super::units::{Period, Size, Whole};
use super::CountOrNone;

/// `[sql.NAME]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Sql {
    pub(in crate::config) cluster: Option<String>,
    pub(in crate::config) backend: Option<String>,
    pub(in crate::config) database: Option<String>,
    pub(in crate::config) user: Option<String>,
    pub(in crate::config) password: Option<Hidden>,
    pub(in crate::config) password_file: Option<String>,
    pub(in crate::config) topology: Option<String>,
    pub(in crate::config) shards: Option<Vec<Word>>,
    pub(in crate::config) table: BTreeMap<String, SqlTable>,
    pub(in crate::config) split: Option<SqlSplit>,
    pub(in crate::config) acknowledge: Option<String>,
    pub(in crate::config) log: Option<String>,
    pub(in crate::config) lease: Option<SqlLease>,
    pub(in crate::config) log_bytes: Option<Size>,
    pub(in crate::config) max_lag: Option<Whole<0, 1_000_000_000>>,
    pub(in crate::config) apply_timeout: Option<Period>,
    pub(in crate::config) writers: Option<Vec<Word>>,
    pub(in crate::config) trusted: Option<Vec<Word>>,
    pub(in crate::config) limits: SqlLimits,
}

/// `[sql.NAME.lease]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table with the `redis` that has it")]
pub(in crate::config) struct SqlLease {
    pub(in crate::config) redis: Option<String>,
    pub(in crate::config) prefix: Option<String>,
    pub(in crate::config) term: Option<Period>,
}

/// `[sql.NAME.table.TABLE]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct SqlTable {
    pub(in crate::config) key: Option<String>,
    #[serde(rename = "type")]
    pub(in crate::config) kind: Option<String>,
    pub(in crate::config) collation: Option<String>,
    pub(in crate::config) ranges: Option<BTreeMap<String, OneOrMore>>,
    pub(in crate::config) ranges_label: Option<String>,
    pub(in crate::config) hash: Option<Vec<Word>>,
    pub(in crate::config) list: Option<BTreeMap<String, Vec<KeyEntry>>>,
    pub(in crate::config) reference: Option<bool>,
}

/// `split` of an entry.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct SqlSplit {
    pub(in crate::config) table: Option<String>,
    pub(in crate::config) key: Option<String>,
    pub(in crate::config) total_records: Option<i64>,
}

/// `limits` of an entry.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct SqlLimits {
    pub(in crate::config) timeout: Option<Period>,
    pub(in crate::config) max_timeout: Option<Period>,
    /// No server of databases takes more from one client.
    pub(in crate::config) connections: Option<Whole<1, 10_000>>,
    pub(in crate::config) body_bytes: Option<Size>,
    pub(in crate::config) statement_bytes: Option<Size>,
    pub(in crate::config) gather_rows: Option<Whole<0, 1_000_000_000>>,
    pub(in crate::config) gather_bytes: Option<Size>,
    pub(in crate::config) answer_bytes: Option<Size>,
    pub(in crate::config) max_shards: Option<Whole<1, { u16::MAX as u32 }>>,
    pub(in crate::config) forbid_scatter: Option<bool>,
    pub(in crate::config) cached_plans: Option<CountOrNone>,
}

/// A text that no message shows: not even one that says that it is none.
pub(in crate::config) struct Hidden(pub(in crate::config) String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// What serde says of a value of another type shows the value.
        fn is_none<E: Error>() -> Result<Hidden, E> {
            Err(E::custom("is no text: a password stands in quotes"))
        }
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Hidden;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text in quotes")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Hidden, E> {
                Ok(Hidden(text.to_owned()))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Hidden, E> {
                is_none()
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Hidden, E> {
                is_none()
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Hidden, E> {
                is_none()
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// A text in an array; nothing where there was something else, which is reported already.
#[derive(Debug)]
pub(in crate::config) struct Word(pub(in crate::config) Option<String>);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Word;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Word, E> {
                Ok(Word(Some(text.to_owned())))
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Word, A::Error> {
                is_left_empty(table, &self).map(|()| Word(None))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// One string, or several.
#[derive(Debug)]
pub(in crate::config) enum OneOrMore {
    One(String),
    More(Vec<Word>),
}

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a range, as in \"1..1000\", or an array of them")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<OneOrMore, E> {
                Ok(OneOrMore::One(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<OneOrMore, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMore::More)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// One value of a `list`.
#[derive(Debug)]
pub(in crate::config) enum KeyEntry {
    Integer(i64),
    Text(String),
    /// It was something else, which is reported already.
    Gone,
}

impl<'de> Deserialize<'de> for KeyEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = KeyEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, or a string")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<KeyEntry, E> {
                Ok(KeyEntry::Integer(number))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<KeyEntry, E> {
                Ok(KeyEntry::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<KeyEntry, A::Error> {
                is_left_empty(table, &self).map(|()| KeyEntry::Gone)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// Takes the empty table that reading leaves where an element of an array was no such thing.
fn is_left_empty<'de, A: MapAccess<'de>>(mut table: A, expected: &dyn de::Expected) -> Result<(), A::Error> {
    match table.next_key::<String>()? {
        None => Ok(()),
        Some(_) => Err(A::Error::invalid_type(Unexpected::Map, expected)),
    }
}
