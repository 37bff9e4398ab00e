//! Owns writing a moment as a literal of exactly the type and precision that a clock call of the dialect has. Sessions are in
//! UTC.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::sql::dialect::Dialect;
use crate::sql::plan::Refusal;

/// When an entry was made: microseconds since 1970, UTC. All clock calls of one entry tell this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

/// What a clock call tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// Day and time with a zone (PostgreSQL).
    Moment,
    /// Day and time.
    Timestamp,
    /// The day.
    Date,
    /// The time of day.
    Time,
    /// The time of day with a zone (PostgreSQL).
    TimeWithZone,
    /// Day and time as words (PostgreSQL's `timeofday()`).
    InWords,
}

/// Microseconds of a second.
const SECOND: i64 = 1_000_000;

impl Moment {
    /// The literal of a clock call with so many digits of a second, where it says how many.
    pub(super) fn literal(self, dialect: Dialect, clock: Clock, digits: Option<u32>) -> Result<String, Refusal> {
        match dialect {
            Dialect::Sqlite => {
                let format = match clock {
                    Clock::Date => "%Y-%m-%d",
                    Clock::Time | Clock::TimeWithZone => "%H:%M:%S",
                    Clock::Moment | Clock::Timestamp | Clock::InWords => "%Y-%m-%d %H:%M:%S",
                };
                Ok(format!("'{}'", self.zoned()?.strftime(format)))
            }
            Dialect::Postgres => self.postgres(clock, digits),
            Dialect::MySql => {
                // Digits that are not shown are left out, not rounded.
                let text = self.zoned()?.strftime("%Y-%m-%d %H:%M:%S").to_string();
                Ok(format!("TIMESTAMP'{text}{}'", self.fraction(digits.unwrap_or(0).min(6))))
            }
        }
    }

    fn postgres(self, clock: Clock, digits: Option<u32>) -> Result<String, Refusal> {
        let (rounded, modifier) = match digits.map(|digits| digits.min(6)) {
            Some(digits) => (self.rounded(digits), format!("({digits})")),
            None => (self, String::new()),
        };
        let at = rounded.zoned()?;
        let fraction = rounded.fraction(6);
        let (day, time) = (at.strftime("%Y-%m-%d").to_string(), at.strftime("%H:%M:%S").to_string());
        Ok(match clock {
            Clock::Moment => format!("'{day} {time}{fraction}+00'::timestamptz{modifier}"),
            Clock::Timestamp => format!("'{day} {time}{fraction}'::timestamp{modifier}"),
            Clock::Date => format!("'{day}'::date"),
            Clock::TimeWithZone => format!("'{time}{fraction}+00'::timetz{modifier}"),
            Clock::Time => format!("'{time}{fraction}'::time{modifier}"),
            Clock::InWords => {
                format!("'{} {time}{fraction} {}'::text", at.strftime("%a %b %d"), at.strftime("%Y UTC"))
            }
        })
    }

    /// What SQLite takes for `'now'`, which has milliseconds.
    pub(super) fn sqlite_now(self) -> Result<String, Refusal> {
        Ok(format!("'{}{}'", self.zoned()?.strftime("%Y-%m-%d %H:%M:%S"), self.fraction(3)))
    }

    /// Milliseconds since 1970.
    pub(super) fn milliseconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    fn zoned(self) -> Result<Zoned, Refusal> {
        let at = Timestamp::from_microsecond(self.0);
        at.map(|at| at.to_zoned(TimeZone::UTC))
            .map_err(|_| Refusal::new("the clock", "it is not within the years that there are"))
    }

    /// The digits of a second behind the point, with it.
    fn fraction(self, digits: u32) -> String {
        let all = format!("{:06}", self.0.rem_euclid(SECOND));
        match all.get(..digits as usize) {
            Some(shown) if !shown.is_empty() => format!(".{shown}"),
            _ => String::new(),
        }
    }

    fn rounded(self, digits: u32) -> Self {
        let unit = 10_i64.pow(6 - digits.min(6));
        let half = self.0.saturating_add(unit / 2);
        Self(half - half.rem_euclid(unit))
    }
}
