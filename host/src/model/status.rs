//! Sets of HTTP statuses, written as `200-399` or `502, 503`.

use http::StatusCode;

/// Statuses, as ranges with both ends included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusSet(Vec<(u16, u16)>);

/// Why a text is no set of statuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a status from 100 to 599 nor a range of them, as in `200-399`")]
pub struct NoStatus(String);

impl StatusSet {
    /// Reads statuses and ranges of them.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, NoStatus> {
        let status = |text: &str| text.trim().parse().ok().filter(|status| (100..600).contains(status));
        let range = |text: &'a str| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let range = status(first).zip(status(last)).filter(|(first, last)| first <= last);
            range.ok_or_else(|| NoStatus(text.to_owned()))
        };
        texts.into_iter().map(range).collect::<Result<_, _>>().map(Self)
    }

    /// Those of some ranges, both ends included.
    pub fn of(ranges: &[(u16, u16)]) -> Self {
        Self(ranges.to_vec())
    }

    /// The ranges, both ends included.
    pub fn ranges(&self) -> &[(u16, u16)] {
        &self.0
    }

    /// Whether a status is in it.
    pub fn contains(&self, status: StatusCode) -> bool {
        let status = status.as_u16();
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_both_ends() {
        let set = StatusSet::parse(["200-299", "418"]).unwrap();
        let holds = |status: u16| set.contains(StatusCode::from_u16(status).unwrap());
        assert_eq!([200, 299, 418].map(holds), [true; 3]);
        assert_eq!([199, 300, 417].map(holds), [false; 3]);
    }

    #[test]
    fn what_is_no_status_is_refused_by_name() {
        for text in ["", "99", "600", "299-200", "2xx", "200-"] {
            assert_eq!(StatusSet::parse([text]), Err(NoStatus(text.to_owned())));
        }
    }
}
