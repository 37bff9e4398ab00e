//! Which part of many is taken, by chance.

/// A share from none to all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling(f64);

impl Sampling {
    /// Takes all.
    pub const ALL: Self = Self(1.0);

    /// A share from 0 to 1; what lies outside is the nearest of these.
    pub fn new(share: f64) -> Self {
        Self(if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) })
    }

    /// The share.
    pub fn share(self) -> f64 {
        self.0
    }

    /// Whether one is taken.
    pub fn draw(self) -> bool {
        self.0 >= 1.0 || (self.0 > 0.0 && fastrand::f64() < self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_all_and_about_a_part_are_taken() {
        fastrand::seed(7);
        let taken = |share: f64| (0..10_000).filter(|_| Sampling::new(share).draw()).count();
        assert_eq!((taken(0.0), taken(-1.0), taken(f64::NAN)), (0, 0, 0));
        assert_eq!((taken(1.0), taken(7.0)), (10_000, 10_000));
        assert!((900..1_100).contains(&taken(0.1)));
    }
}
