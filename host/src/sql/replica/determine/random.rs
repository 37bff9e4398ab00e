//! Owns writing a random value as a literal of exactly the type that the dialect's function has.

use super::clock::Moment;
use crate::sql::dialect::Dialect;

/// What kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Random {
    /// An integer of 64 bits; of MySQL's `UUID_SHORT()` one without a sign.
    Integer,
    /// From 0 up to 1.
    Fraction,
    /// So many bytes as the argument says.
    Blob,
    /// A UUID of version 4.
    Uuid,
    /// A UUID of version 7, which begins with the time.
    TimedUuid,
    /// A UUID in capitals without dashes.
    BareUuid,
}

/// The most bytes that are written into a statement.
const MOST_BYTES: usize = 16 << 10;

/// A literal; `bytes` is how many bytes are asked for. None where they are too many.
pub(super) fn literal(
    dialect: Dialect,
    kind: Random,
    bytes: Option<i64>,
    moment: Moment,
    random: &mut dyn FnMut() -> u64,
) -> Option<String> {
    Some(match kind {
        // Never the smallest one, of which there is no positive.
        Random::Integer if dialect == Dialect::Sqlite => {
            let number = (random() >> 1).cast_signed();
            if random() & 1 == 0 { number.to_string() } else { format!("(-{number})") }
        }
        Random::Integer => (random() >> 1).to_string(),
        Random::Fraction => {
            // 53 bits, as many as a double holds.
            #[allow(clippy::cast_precision_loss, reason = "53 bits are held exactly")]
            let fraction = (random() >> 11) as f64 / (1_u64 << 53) as f64;
            match dialect {
                Dialect::Postgres => format!("'{fraction}'::float8"),
                Dialect::Sqlite | Dialect::MySql => format!("{fraction:e}"),
            }
        }
        Random::Blob => {
            let least = if dialect == Dialect::Sqlite { 1 } else { 0 };
            let length = usize::try_from(bytes?.max(least)).ok().filter(|length| *length <= MOST_BYTES)?;
            let digits: String = std::iter::repeat_with(|| format!("{:02x}", random() & 0xff)).take(length).collect();
            match dialect {
                Dialect::Postgres => format!("'\\x{digits}'::bytea"),
                Dialect::Sqlite | Dialect::MySql => format!("x'{digits}'"),
            }
        }
        Random::Uuid => quoted(dialect, &uuid(4, random(), random())),
        Random::TimedUuid => {
            let time = moment.milliseconds().cast_unsigned() << 16;
            quoted(dialect, &uuid(7, time | (random() & 0xfff), random()))
        }
        Random::BareUuid => format!("'{}'", uuid(4, random(), random()).replace('-', "").to_ascii_uppercase()),
    })
}

fn quoted(dialect: Dialect, uuid: &str) -> String {
    if dialect == Dialect::Postgres { format!("'{uuid}'::uuid") } else { format!("'{uuid}'") }
}

fn uuid(version: u64, high: u64, low: u64) -> String {
    let high = (high & !0xf000) | (version << 12);
    let low = (low & !(0b11 << 62)) | (0b10 << 62);
    let (first, second, third) = (high >> 32, (high >> 16) & 0xffff, high & 0xffff);
    format!("{first:08x}-{second:04x}-{third:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
}
