//! How single values are written in the file: durations, sizes, counts, and things that can be turned off. Each says what
//! it expects in words that a reader of the file understands.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Unexpected, Visitor};

/// A year: what is longer is a mistake, and an instant that far ahead may not exist.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// A duration over zero: `"500us"`, `"250ms"`, `"10s"`, `"2m"`, `"1h"`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Period(pub(super) Duration);

/// Reads a duration over zero, as it is written in the file: `250ms`, `10s`, `2m`.
///
/// # Errors
/// When it is none, with what is expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    Period::parse(text).map(|Period(duration)| duration).ok_or_else(|| format!("expected {PERIOD}"))
}

/// What is expected of a [`Period`].
const PERIOD: &str = "a duration over zero with its unit, as in \"250ms\", \"10s\", \"2m\" or \"1h\"";

impl Period {
    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.trim().split_at(text.trim().find(|c: char| !c.is_ascii_digit())?);
        let number: u64 = number.parse().ok()?;
        let duration = match unit.trim_start() {
            "us" => Duration::from_micros(number),
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "h" => Duration::from_secs(number.checked_mul(3600)?),
            _ => return None,
        };
        (!duration.is_zero() && duration <= LONGEST).then_some(Self(duration))
    }
}

impl fmt::Display for Period {
    /// As it is written in the file, with the longest unit that does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(3_600_000_000, "h"), (60_000_000, "m"), (1_000_000, "s"), (1000, "ms")];
        let micros = self.0.as_micros();
        let (each, unit) = units.into_iter().find(|(each, _)| micros.is_multiple_of(*each)).unwrap_or((1, "us"));
        write!(f, "{}{unit}", micros / each)
    }
}

/// A time as it is written in the file.
pub fn written(time: Duration) -> String {
    Period(time).to_string()
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Period;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(PERIOD)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Period, E> {
                Period::parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// A number of bytes: `"64KiB"`, `"1MiB"`, `"2GiB"`, or a plain number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size(pub(super) u64);

impl Size {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let factor: u64 = match unit.trim_start() {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(factor).map(Self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size, as in \"64KiB\", \"1MiB\" or \"2GiB\", or a number of bytes")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Size, E> {
                u64::try_from(number).map(Size).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Size, E> {
                Size::parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// A share of all, from 0 to 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share(f64);

impl Share {
    /// The share.
    pub(super) fn get(self) -> f64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Share;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a share from 0 to 1, as in 0.01")
            }

            fn visit_f64<E: Error>(self, share: f64) -> Result<Share, E> {
                let within = (0.0..=1.0).contains(&share);
                if within { Ok(Share(share)) } else { Err(E::invalid_value(Unexpected::Float(share), &self)) }
            }

            fn visit_i64<E: Error>(self, share: i64) -> Result<Share, E> {
                match share {
                    0 => Ok(Share(0.0)),
                    1 => Ok(Share(1.0)),
                    other => Err(E::invalid_value(Unexpected::Signed(other), &self)),
                }
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// A whole number within bounds, both included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole<const LEAST: u32, const MOST: u32>(u32);

impl<const LEAST: u32, const MOST: u32> Whole<LEAST, MOST> {
    /// Takes a number that is within the bounds.
    pub(super) fn new(number: u32) -> Option<Self> {
        (LEAST..=MOST).contains(&number).then_some(Self(number))
    }

    /// The number.
    pub(super) fn get(self) -> u32 {
        self.0
    }

    /// The number, as a count of things in memory.
    pub(super) fn count(self) -> usize {
        // Loses nothing: the host is built for machines of 64 bits.
        self.0 as usize
    }

    /// The number, of a type that goes to 65535 at the most.
    pub(super) fn short(self) -> u16 {
        u16::try_from(self.0).unwrap_or(u16::MAX)
    }

    /// The number, of a type that goes to 100 at the most.
    pub(super) fn percent(self) -> u8 {
        u8::try_from(self.0).unwrap_or(u8::MAX)
    }
}

impl<'de, const LEAST: u32, const MOST: u32> Deserialize<'de> for Whole<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<const LEAST: u32, const MOST: u32>;
        impl<const LEAST: u32, const MOST: u32> Visitor<'_> for Reader<LEAST, MOST> {
            type Value = Whole<LEAST, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from {LEAST} to {MOST}")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                let whole = u32::try_from(number).ok().and_then(Whole::new);
                whole.ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
            }
        }
        deserializer.deserialize_any(Reader::<LEAST, MOST>)
    }
}

/// Something that has a default, can be given as text, and can be turned off with `false`.
#[derive(Clone, Debug, Default)]
pub(super) enum Switch {
    /// Not given, or `true`.
    #[default]
    Default,
    /// `false`.
    Off,
    /// Given.
    To(String),
}

impl<'de> Deserialize<'de> for Switch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Switch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or false to turn it off")
            }

            fn visit_bool<E: Error>(self, on: bool) -> Result<Switch, E> {
                Ok(if on { Switch::Default } else { Switch::Off })
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Switch, E> {
                Ok(Switch::To(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// Either a string that stands for a table in short, or the table.
pub(super) struct StringOr<T> {
    expecting: &'static str,
    table: PhantomData<T>,
}

impl<T> StringOr<T> {
    /// `expecting` names both forms.
    pub(super) fn new(expecting: &'static str) -> Self {
        Self { expecting, table: PhantomData }
    }
}

impl<'de, T: Deserialize<'de> + From<String>> Visitor<'de> for StringOr<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Ok(T::from(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(table))
    }
}

/// A table that can be turned off with `false`; `true` is the table with nothing in it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Toggle<T> {
    /// Not given.
    #[default]
    Default,
    /// `false`.
    Off,
    /// Given.
    To(T),
}

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Toggle<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for Reader<T> {
            type Value = Toggle<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table, or false to turn it off")
            }

            fn visit_bool<E: Error>(self, on: bool) -> Result<Toggle<T>, E> {
                Ok(if on { Toggle::To(T::default()) } else { Toggle::Off })
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Toggle<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(table)).map(Toggle::To)
            }
        }
        deserializer.deserialize_any(Reader(PhantomData))
    }
}

/// A count, or `false`, which is the same as 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct CountOrFalse(pub(super) u32);

impl<'de> Deserialize<'de> for CountOrFalse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// As of every count: a number over it is a typing mistake.
        const MOST: u32 = 10_000_000;
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = CountOrFalse;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number up to {MOST}, or false to turn it off")
            }

            fn visit_bool<E: Error>(self, on: bool) -> Result<CountOrFalse, E> {
                if on { Err(E::invalid_value(Unexpected::Bool(on), &self)) } else { Ok(CountOrFalse(0)) }
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<CountOrFalse, E> {
                let count = u32::try_from(number).ok().filter(|count| *count <= MOST);
                count.map(CountOrFalse).ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// One element of a list of statuses, as text: `503`, `"502-504"`. A word does too, and an empty table, which is what
/// reading leaves where an element was no such thing; what it means is not looked at here.
#[derive(Clone, Debug)]
pub(super) struct Code(pub(super) String);

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Code;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or the number of a status")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Code, E> {
                Ok(Code(number.to_string()))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Code, E> {
                Ok(Code(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Code, A::Error> {
                match table.next_key::<String>()? {
                    None => Ok(Code(String::new())),
                    Some(_) => Err(A::Error::invalid_type(Unexpected::Map, &self)),
                }
            }
        }
        deserializer.deserialize_any(Reader)
    }
}
