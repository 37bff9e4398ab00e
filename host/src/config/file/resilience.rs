//! How a cluster keeps serving: `health`, `failures`, `circuit`, `retry` and `capacity` of `[cluster.NAME]`.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::super::units::{Code, CountOrFalse, Period, Size, StringOr, Toggle, Whole};
use super::cluster::Plugin;
use super::{Count, CountOrNone};

/// A share of something, where none of it is a choice.
pub(in crate::config) type Percent = Whole<0, 100>;

/// `health` of a cluster.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Health {
    pub(in crate::config) policies: Option<Vec<PolicyEntry>>,
    pub(in crate::config) window: Option<Period>,
    pub(in crate::config) panic: Panic,
    pub(in crate::config) drain_timeout: Option<Period>,
    pub(in crate::config) check: Option<Check>,
}

/// One of `policies`.
#[derive(Debug)]
pub(in crate::config) struct PolicyEntry(pub(in crate::config) Plugin);

impl<'de> Deserialize<'de> for PolicyEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let forms = "the name of a health policy, or a table with `plugin` and `config`";
        deserializer.deserialize_any(StringOr::new(forms)).map(Self)
    }
}

/// `panic` of `health`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Panic {
    pub(in crate::config) below: Option<Percent>,
    pub(in crate::config) choose: Option<String>,
}

/// `check` of `health`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Check {
    pub(in crate::config) kind: Option<String>,
    pub(in crate::config) method: Option<String>,
    pub(in crate::config) path: Option<String>,
    pub(in crate::config) host: Option<String>,
    pub(in crate::config) expect: Option<Vec<Code>>,
    pub(in crate::config) body_contains: Option<String>,
    pub(in crate::config) statement: Option<String>,
    pub(in crate::config) port: Option<Whole<1, { u16::MAX as u32 }>>,
    pub(in crate::config) interval: Option<Period>,
    pub(in crate::config) timeout: Option<Period>,
    pub(in crate::config) jitter: Option<Whole<0, 50>>,
    pub(in crate::config) rise: Option<Count>,
    pub(in crate::config) fall: Option<Count>,
    pub(in crate::config) before_traffic: Option<bool>,
}

/// `failures` of a cluster: what counts as one, or the name of a list that is made already.
#[derive(Debug)]
pub(in crate::config) enum Failures {
    /// `"every-error"`
    Preset(String),
    /// `["connect", "502-504", ...]`
    List(Vec<Code>),
}

impl<'de> Deserialize<'de> for Failures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Failures;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"every-error\", or an array as in [\"connect\", \"timeout\", \"reset\", \"502-504\"]")
            }

            fn visit_str<E: Error>(self, preset: &str) -> Result<Failures, E> {
                Ok(Failures::Preset(preset.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Failures, A::Error> {
                Vec::deserialize(serde::de::value::SeqAccessDeserializer::new(list)).map(Failures::List)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// `circuit` of a cluster, or `false`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Circuit {
    pub(in crate::config) consecutive_failures: Option<CountOrFalse>,
    pub(in crate::config) failure_ratio: Toggle<FailureRatio>,
    pub(in crate::config) open_for: Option<Period>,
    pub(in crate::config) open_at_most: Option<Period>,
    pub(in crate::config) trials: Option<Count>,
}

/// `failure_ratio` of `circuit`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct FailureRatio {
    pub(in crate::config) percent: Option<Whole<1, 100>>,
    pub(in crate::config) window: Option<Period>,
    pub(in crate::config) least_requests: Option<Count>,
}

/// `retry` of a cluster.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Retry {
    pub(in crate::config) attempts: Option<Whole<1, 100>>,
    pub(in crate::config) per_try_timeout: Option<Period>,
    pub(in crate::config) statuses: Option<Vec<Code>>,
    pub(in crate::config) backoff: Option<Period>,
    pub(in crate::config) buffer_bytes: Option<Size>,
    pub(in crate::config) budget: Budget,
    pub(in crate::config) hedge: Toggle<Hedge>,
}

/// `budget` of `retry`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Budget {
    pub(in crate::config) percent: Option<Percent>,
    pub(in crate::config) floor: Option<CountOrNone>,
}

/// `hedge` of `retry`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Hedge {
    pub(in crate::config) percentile: Option<Whole<1, 99>>,
    pub(in crate::config) after_at_least: Option<Period>,
}

/// `capacity` of a cluster.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Capacity {
    pub(in crate::config) in_flight: Option<Count>,
    pub(in crate::config) endpoint_in_flight: Option<Count>,
    pub(in crate::config) queue: Option<CountOrNone>,
    pub(in crate::config) queue_timeout: Option<Period>,
}
