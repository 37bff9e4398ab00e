//! Metrics as values: what is measured, before it is written down in some format.

/// What a metric does over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts values by size.
    Histogram,
    /// Adds up values of which only the number and the sum are known.
    Summary,
}

impl Kind {
    /// As both texts and the JSON call it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of a counter.
    Count(u64),
    /// Of a counter of what is not counted in whole numbers.
    Total(f64),
    /// Of a gauge.
    Level(f64),
    /// Of a histogram.
    Histogram {
        /// For each upper bound, how many values were at most that.
        buckets: Vec<(f64, u64)>,
        /// All values together.
        sum: f64,
        /// How many there were.
        count: u64,
    },
    /// Of a summary.
    Summary {
        /// All values together.
        sum: f64,
        /// How many there were.
        count: u64,
    },
}

impl Value {
    /// 1 for yes, 0 for no.
    pub fn flag(is_so: bool) -> Self {
        Self::Level(f64::from(u8::from(is_so)))
    }

    /// A histogram from counts per bucket; the last bucket has no bound. So many of the counted unit make
    /// up one of the metric's.
    pub fn histogram(bounds: &[u64], counts: &[u64], sum: u64, per_unit: f64) -> Self {
        let mut below = 0;
        let mut buckets = Vec::with_capacity(bounds.len());
        for (bound, count) in bounds.iter().zip(counts) {
            below += count;
            buckets.push((*bound as f64 / per_unit, below));
        }
        Self::Histogram { buckets, sum: sum as f64 / per_unit, count: counts.iter().sum() }
    }
}

/// A value and what tells it from the others of its family.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Names and values.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: Value,
}

/// A metric: all values of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// The name without the suffix that a format adds to counters. One that measures something ends in its unit.
    pub name: String,
    /// One line for people.
    pub help: &'static str,
    /// What it does over time.
    pub kind: Kind,
    /// The values.
    pub samples: Vec<Sample>,
}

impl Family {
    /// A metric without values yet.
    pub fn new(kind: Kind, name: &str, help: &'static str) -> Self {
        Self { name: name.to_owned(), help, kind, samples: Vec::new() }
    }

    /// Adds a value.
    pub fn push(&mut self, labels: &[(&'static str, &dyn ToString)], value: Value) {
        let labels = labels.iter().map(|(name, value)| (*name, value.to_string())).collect();
        self.samples.push(Sample { labels, value });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_add_up_and_the_last_has_no_bound() {
        let value = Value::histogram(&[1, 10], &[3, 2, 1], 42, 2.0);
        assert_eq!(value, Value::Histogram { buckets: vec![(0.5, 3), (5.0, 5)], sum: 21.0, count: 6 });
    }
}
