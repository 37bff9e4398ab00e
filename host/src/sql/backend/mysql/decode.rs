//! Owns reading a value of a row from the binary form. Exact: what cannot be carried exactly is refused by its column's name.

use std::fmt::Write as _;

use mysql_async::Value as Came;
use mysql_async::consts::{ColumnFlags, ColumnType};

use super::link::Facts;
use crate::sql::backend::{Fault, FaultKind};
use crate::sql::value::Value;

/// How text is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Also ASCII.
    Utf8,
    /// The server's `latin1`, which is Windows-1252.
    Latin1,
    /// No text.
    Bytes,
}

/// How the values of a column are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decoder {
    name: String,
    kind: ColumnType,
    encoding: Encoding,
    /// Digits of a second's fraction.
    decimals: usize,
}

/// The collation's number that bytes have.
const BINARY: u16 = 63;

/// How the columns of an answer are read; refuses those that are not carried.
pub(super) fn decoders(columns: &[mysql_async::Column], facts: &Facts) -> Result<Vec<Decoder>, Fault> {
    let refuse = |column: &mysql_async::Column, why: &str| {
        Fault::new(FaultKind::Unsupported, format!("column {} {why}", column.name_str()))
    };
    let of = |column: &mysql_async::Column| {
        if column.column_type() == ColumnType::MYSQL_TYPE_GEOMETRY {
            return Err(refuse(column, "is a geometry, which is not carried: use ST_AsText"));
        }
        let encoding = encoding(column, facts)
            .ok_or_else(|| refuse(column, "is in a character set that is not carried: CONVERT it USING utf8mb4"))?;
        let name = column.name_str().into_owned();
        Ok(Decoder { name, kind: column.column_type(), encoding, decimals: usize::from(column.decimals()) })
    };
    columns.iter().map(of).collect()
}

fn encoding(column: &mysql_async::Column, facts: &Facts) -> Option<Encoding> {
    if !is_string(column.column_type()) {
        return Some(Encoding::Utf8);
    }
    let collation = column.character_set();
    if collation == BINARY {
        // Names of enumerations in answers of some versions.
        let is_named = column.flags().intersects(ColumnFlags::ENUM_FLAG | ColumnFlags::SET_FLAG);
        return Some(if is_named { Encoding::Utf8 } else { Encoding::Bytes });
    }
    match facts.collations.get(&collation)?.split('_').next()? {
        "utf8mb4" | "utf8mb3" | "utf8" | "ascii" => Some(Encoding::Utf8),
        "latin1" => Some(Encoding::Latin1),
        _ => None,
    }
}

/// Whether a type's values are text or bytes.
pub(super) fn is_string(kind: ColumnType) -> bool {
    use ColumnType as T;
    matches!(
        kind,
        T::MYSQL_TYPE_STRING
            | T::MYSQL_TYPE_VAR_STRING
            | T::MYSQL_TYPE_VARCHAR
            | T::MYSQL_TYPE_TINY_BLOB
            | T::MYSQL_TYPE_MEDIUM_BLOB
            | T::MYSQL_TYPE_LONG_BLOB
            | T::MYSQL_TYPE_BLOB
            | T::MYSQL_TYPE_ENUM
            | T::MYSQL_TYPE_SET
    )
}

impl Decoder {
    /// A value, and how many bytes it takes.
    pub(super) fn value(&self, came: Came, bytes: &mut usize) -> Result<Value, Fault> {
        *bytes += if let Came::Bytes(text) = &came { text.len() } else { 8 };
        self.decode(came).ok_or_else(|| {
            Fault::new(FaultKind::Unsupported, format!("column {} has a value that cannot be read", self.name))
        })
    }

    fn decode(&self, came: Came) -> Option<Value> {
        Some(match came {
            Came::NULL => Value::Null,
            Came::Int(value) => Value::Integer(value),
            Came::UInt(value) => {
                i64::try_from(value).map_or_else(|_| Value::Decimal(value.to_string()), Value::Integer)
            }
            Came::Float(value) => Value::Real(value.into()),
            Came::Double(value) => Value::Real(value),
            Came::Bytes(bytes) => self.bytes(bytes)?,
            Came::Date(year, month, day, hour, minute, second, micros) => {
                let mut text = format!("{year:04}-{month:02}-{day:02}");
                if !matches!(self.kind, ColumnType::MYSQL_TYPE_DATE | ColumnType::MYSQL_TYPE_NEWDATE) {
                    write!(text, " {hour:02}:{minute:02}:{second:02}").ok()?;
                    self.push_fraction(&mut text, micros);
                }
                Value::Text(text)
            }
            Came::Time(is_negative, days, hours, minutes, seconds, micros) => {
                let sign = if is_negative { "-" } else { "" };
                let hours = u64::from(days) * 24 + u64::from(hours);
                let mut text = format!("{sign}{hours:02}:{minutes:02}:{seconds:02}");
                self.push_fraction(&mut text, micros);
                Value::Text(text)
            }
        })
    }

    fn bytes(&self, bytes: Vec<u8>) -> Option<Value> {
        Some(match self.kind {
            ColumnType::MYSQL_TYPE_NEWDECIMAL | ColumnType::MYSQL_TYPE_DECIMAL => {
                Value::Decimal(String::from_utf8(bytes).ok()?)
            }
            ColumnType::MYSQL_TYPE_BIT => Value::Blob(bytes),
            _ => match self.encoding {
                Encoding::Utf8 => Value::Text(String::from_utf8(bytes).ok()?),
                Encoding::Latin1 => Value::Text(bytes.into_iter().map(latin1).collect()),
                Encoding::Bytes => Value::Blob(bytes),
            },
        })
    }

    /// As many digits as the column has; all that matter where it does not say.
    fn push_fraction(&self, text: &mut String, micros: u32) {
        let digits = format!("{micros:06}");
        let shown = match self.decimals {
            0 if micros == 0 => return,
            kept @ 1..=6 => digits.get(..kept).unwrap_or(&digits),
            _ if micros == 0 => return,
            _ => digits.trim_end_matches('0'),
        };
        text.push('.');
        text.push_str(shown);
    }
}

/// Windows-1252, where the five bytes that it leaves open are themselves.
fn latin1(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    let high = byte.checked_sub(0x80).and_then(|index| HIGH.get(usize::from(index)));
    high.copied().unwrap_or(char::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoder(kind: ColumnType, encoding: Encoding, decimals: usize) -> Decoder {
        Decoder { name: "c".to_owned(), kind, encoding, decimals }
    }

    #[test]
    fn dates_and_times_have_the_digits_of_their_column() {
        let at = Came::Date(2024, 2, 29, 1, 2, 3, 450_000);
        for (kind, decimals, text) in [
            (ColumnType::MYSQL_TYPE_DATE, 0, "2024-02-29"),
            (ColumnType::MYSQL_TYPE_DATETIME, 2, "2024-02-29 01:02:03.45"),
            (ColumnType::MYSQL_TYPE_TIMESTAMP, 6, "2024-02-29 01:02:03.450000"),
            (ColumnType::MYSQL_TYPE_DATETIME, 39, "2024-02-29 01:02:03.45"),
        ] {
            let value = decoder(kind, Encoding::Utf8, decimals).decode(at.clone());
            assert_eq!(value, Some(Value::Text(text.to_owned())));
        }
        let time = decoder(ColumnType::MYSQL_TYPE_TIME, Encoding::Utf8, 0);
        assert_eq!(time.decode(Came::Time(true, 34, 22, 59, 59, 0)), Some(Value::Text("-838:59:59".to_owned())));
    }

    #[test]
    fn text_is_read_in_its_character_set_and_numbers_are_exact() {
        let text = |encoding| decoder(ColumnType::MYSQL_TYPE_VAR_STRING, encoding, 0);
        assert_eq!(text(Encoding::Latin1).decode(Came::Bytes(vec![0x80, 0xe4])), Some(Value::Text("€ä".to_owned())));
        assert_eq!(text(Encoding::Utf8).decode(Came::Bytes(vec![0xff])), None);
        assert_eq!(text(Encoding::Bytes).decode(Came::Bytes(vec![0xff])), Some(Value::Blob(vec![0xff])));
        let number = decoder(ColumnType::MYSQL_TYPE_LONGLONG, Encoding::Utf8, 0);
        assert_eq!(number.decode(Came::UInt(7)), Some(Value::Integer(7)));
        assert_eq!(number.decode(Came::UInt(u64::MAX)), Some(Value::Decimal(u64::MAX.to_string())));
    }
}
