//! The protocol of HTTP nodes as both sides write and read it: what is asked, the lines of an answer, and values in JSON that
//! keep their kind. An integer is a number without a point or an exponent, a double is one that has either; what JSON has no
//! form for is an object with one member that says what it is.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{self, Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};

use crate::sql::backend::{Fault, FaultKind};
use crate::sql::value::{Column, Value};

/// The media type of an answer in lines.
pub const LINES: &str = "application/x-ndjson";
/// The header of a write's key: one with the key of another is that one, sent once more, and is not done again.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The table in which a node keeps them.
pub const KEYS: &str = "leverframe_idempotency";
/// The media type of an error before the first line.
pub const PROBLEM: &str = "application/problem+json";

/// The body of `POST /query`.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question<'a> {
    /// One statement.
    pub sql: Cow<'a, str>,
    /// Its parameters.
    #[serde(default, skip_serializing_if = "Tagged::is_empty")]
    pub params: Tagged<'a>,
    /// The transaction that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<Cow<'a, str>>,
    /// How long it may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Whether it is refused when it writes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
}

/// The body of `POST /transactions`; none at all is as good as an empty one.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beginning {
    /// How long it is to be kept while nothing is asked of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Whose it is. An owner has one transaction at a time: one that he began before is taken back first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Whether it only reads, and sees everything as it was when it asked first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub snapshot: bool,
}

/// What `POST /transactions` answers.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Begun {
    /// What later questions call it.
    pub transaction: String,
}

/// What `GET /shape` answers.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Shape {
    /// The columns; none where there is no such table.
    pub columns: Vec<ShapeColumn>,
}

/// A column of a table.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct ShapeColumn {
    /// Its name.
    pub name: String,
    /// Its declared type.
    #[serde(rename = "type")]
    pub declared: String,
    /// Its collation.
    pub collation: String,
}

/// A line of an answer that is no row.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first one.
    Columns(Vec<LineColumn>),
    /// The last one, if all went well.
    Done(Done),
    /// The last one otherwise.
    Error(LineError),
}

/// A column of an answer.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct LineColumn {
    /// Its name.
    pub name: String,
    /// Its declared type, empty for an expression.
    #[serde(rename = "type")]
    pub declared: String,
}

impl From<Column> for LineColumn {
    fn from(Column { name, declared }: Column) -> Self {
        Self { name, declared }
    }
}

impl From<LineColumn> for Column {
    fn from(LineColumn { name, declared }: LineColumn) -> Self {
        Self { name, declared }
    }
}

/// What an answer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Done {
    /// Rows sent.
    pub rows: u64,
    /// Rows changed.
    pub affected: u64,
}

/// A failure, as a line or as the members of a problem document.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct LineError {
    /// Which kind.
    pub kind: String,
    /// In words; `detail` in a problem document.
    #[serde(alias = "detail")]
    pub message: String,
}

/// The kinds by name. What has no name of its own is not told apart by the other side.
const KINDS: &[(&str, FaultKind)] = &[
    ("statement", FaultKind::Statement),
    ("conflict", FaultKind::Conflict),
    ("overflow", FaultKind::Overflow),
    ("timeout", FaultKind::TimedOut),
    ("unsupported", FaultKind::Unsupported),
    ("busy", FaultKind::Busy),
    ("lost", FaultKind::Lost),
    ("failed", FaultKind::Failed),
];

impl From<&Fault> for LineError {
    fn from(fault: &Fault) -> Self {
        let named = KINDS.iter().find(|(_, kind)| *kind == fault.kind);
        Self { kind: named.map_or("lost", |(name, _)| name).to_owned(), message: fault.message.clone() }
    }
}

impl From<LineError> for Fault {
    fn from(LineError { kind, message }: LineError) -> Self {
        let known = KINDS.iter().find(|(name, _)| *name == kind);
        Self::new(known.map_or(FaultKind::Lost, |(_, kind)| *kind), message)
    }
}

/// Values in their JSON form: a row, or parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tagged<'a>(pub Cow<'a, [Value]>);

impl Tagged<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Tagged<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(Some(self.0.len()))?;
        for value in self.0.iter() {
            sequence.serialize_element(&Form(value))?;
        }
        sequence.end()
    }
}

impl<'de> Deserialize<'de> for Tagged<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = Vec::<Read>::deserialize(deserializer)?;
        Ok(Self(values.into_iter().map(|Read(value)| value).collect()))
    }
}

/// Reads a row. An integer that is too large for 64 bits is an error, and not the double next to it.
///
/// # Errors
/// Where the line is no row.
pub fn row(line: &[u8]) -> serde_json::Result<Vec<Value>> {
    let Tagged(row) = serde_json::from_slice(line)?;
    let is_large = |value: &Value| matches!(value, Value::Real(real) if real.abs() >= TWO_TO_63);
    if row.iter().any(is_large) && has_large_integer(line) {
        return Err(serde_json::Error::custom("an integer of more than 64 bits"));
    }
    Ok(row.into_owned())
}

/// The first double above all integers.
const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

/// Whether a JSON text has an integer, outside of texts, that is out of range.
fn has_large_integer(line: &[u8]) -> bool {
    let (mut is_text, mut is_escaped) = (false, false);
    let numbers = line.split(|byte| {
        let was_text = is_text;
        match (is_text, byte) {
            (true, _) if is_escaped => is_escaped = false,
            (true, b'\\') => is_escaped = true,
            (_, b'"') => is_text = !is_text,
            _ => {}
        }
        was_text || is_text || matches!(byte, b'"' | b',' | b'[' | b']' | b'{' | b'}' | b':' | b' ')
    });
    let is_integer =
        |token: &&[u8]| token.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-') && !token.is_empty();
    let mut integers = numbers.filter(is_integer).filter_map(|token| std::str::from_utf8(token).ok());
    integers.any(|token| token.parse::<i64>().is_err())
}

/// A value on its way out.
struct Form<'a>(&'a Value);

impl Serialize for Form<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tagged = |serializer: S, tag: &str, text: &str| {
            let mut map = serializer.serialize_map(Some(1))?;
            map.serialize_entry(tag, text)?;
            map.end()
        };
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Integer(value) => serializer.serialize_i64(*value),
            Value::Real(value) if value.is_finite() => serializer.serialize_f64(*value),
            Value::Real(value) if value.is_nan() => tagged(serializer, "real", "nan"),
            Value::Real(value) if *value > 0.0 => tagged(serializer, "real", "inf"),
            Value::Real(_) => tagged(serializer, "real", "-inf"),
            Value::Decimal(digits) => tagged(serializer, "decimal", digits),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Blob(bytes) => tagged(serializer, "blob", &BASE64.encode(bytes)),
        }
    }
}

/// A value on its way in.
struct Read(Value);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null, a number, a text, true, false, or one of {\"real\"}, {\"decimal\"}, {\"blob\"}")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        i64::try_from(value).map(Value::Integer).map_err(|_| E::custom("an integer of more than 64 bits"))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Real(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let Some((tag, text)) = map.next_entry::<String, String>()? else {
            return Err(A::Error::custom("an empty object"));
        };
        let value = match (tag.as_str(), text.as_str()) {
            ("real", "inf") => Value::Real(f64::INFINITY),
            ("real", "-inf") => Value::Real(f64::NEG_INFINITY),
            ("real", "nan") => Value::Real(f64::NAN),
            ("decimal", _) => Value::Decimal(text),
            ("blob", _) => Value::Blob(BASE64.decode(&text).map_err(A::Error::custom)?),
            _ => return Err(A::Error::custom(format!("{{\"{tag}\": \"{text}\"}} is no value"))),
        };
        match map.next_key::<de::IgnoredAny>()? {
            Some(_) => Err(A::Error::custom("a value of two kinds")),
            None => Ok(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_kind_and_every_bit() {
        let values = [
            (Value::Null, "null"),
            (Value::Bool(true), "true"),
            (Value::Integer(i64::MIN), "-9223372036854775808"),
            (Value::Integer(1), "1"),
            (Value::Real(1.0), "1.0"),
            (Value::Real(-0.0), "-0.0"),
            (Value::Real(1e300), "1e+300"),
            (Value::Real(0.1 + 0.2), "0.30000000000000004"),
            (Value::Real(f64::INFINITY), r#"{"real":"inf"}"#),
            (Value::Real(f64::NEG_INFINITY), r#"{"real":"-inf"}"#),
            (Value::Decimal("1.50".to_owned()), r#"{"decimal":"1.50"}"#),
            (Value::Text("1".to_owned()), r#""1""#),
            (Value::Text("a\"\n\u{0}é".to_owned()), r#""a\"\n\u0000é""#),
            (Value::Blob(vec![0, 255]), r#"{"blob":"AP8="}"#),
        ];
        for (value, expected) in values {
            let row = Tagged(Cow::Owned(vec![value]));
            let text = serde_json::to_string(&row).unwrap();
            assert_eq!(text, format!("[{expected}]"));
            let read: Tagged<'_> = serde_json::from_str(&text).unwrap();
            assert_eq!(format!("{read:?}"), format!("{row:?}"));
        }
    }

    #[test]
    fn what_is_no_value_is_an_error() {
        for wrong in
            ["18446744073709551615", "{}", r#"{"blob":"?"}"#, r#"{"real":"1"}"#, "[1]", r#"{"blob":"","real":"inf"}"#]
        {
            assert!(serde_json::from_str::<Tagged<'_>>(&format!("[{wrong}]")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_integer_is_never_read_as_the_double_next_to_it() {
        assert_eq!(row(b"[1e300,1,\"99999999999999999999\"]").unwrap().len(), 3);
        assert_eq!(row(br#"[1e300,"\",99999999999999999999,\""]"#).unwrap().len(), 2);
        assert_eq!(row(b"[-9223372036854775808]").unwrap(), [Value::Integer(i64::MIN)]);
        for wrong in ["[99999999999999999999]", "[\"a\",-99999999999999999999 , 1]", "[9223372036854775808]"] {
            assert!(row(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_failure_keeps_its_kind() {
        for (_, kind) in KINDS {
            let fault = Fault::new(*kind, "why");
            assert_eq!(Fault::from(LineError::from(&fault)), fault);
        }
        let problem = r#"{"type":"about:blank","status":504,"detail":"late","kind":"timeout"}"#;
        let error: LineError = serde_json::from_str(problem).unwrap();
        assert_eq!(Fault::from(error), Fault::new(FaultKind::TimedOut, "late"));
    }
}
