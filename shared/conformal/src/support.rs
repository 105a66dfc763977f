//! Which ages are possible.

use serde::{Deserialize, Serialize};

/// The ages that are possible, in years, both ends included. Intervals are intersected with it,
/// which never costs coverage as long as every truth lies inside.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Bounds")]
pub struct AgeSupport {
    lower: f64,
    upper: f64,
}

/// Why two numbers are not a support of ages.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "an age support needs 0 <= lower < upper <= {highest} years, got {lower} to {upper}",
    highest = AgeSupport::HIGHEST
)]
pub struct SupportError {
    /// The lower end asked for, in years.
    pub lower: f64,
    /// The upper end asked for, in years.
    pub upper: f64,
}

impl AgeSupport {
    /// The highest upper end that is accepted, in years: far beyond any age, it bounds the number
    /// of decades that an untrusted file can make us hold.
    pub const HIGHEST: f64 = 1000.0;

    /// The ages from `lower` to `upper`, in years.
    ///
    /// # Errors
    ///
    /// [`SupportError`] unless 0 ≤ lower < upper ≤ [`AgeSupport::HIGHEST`].
    pub fn new(lower: f64, upper: f64) -> Result<Self, SupportError> {
        if lower >= 0.0 && lower < upper && upper <= Self::HIGHEST {
            // Adding zero makes of −0 the 0 that it is written as.
            let lower = lower + 0.0;
            Ok(Self { lower, upper })
        } else {
            Err(SupportError { lower, upper })
        }
    }

    /// The least possible age in years.
    #[inline]
    pub fn lower(self) -> f64 {
        self.lower
    }

    /// The greatest possible age in years.
    #[inline]
    pub fn upper(self) -> f64 {
        self.upper
    }

    /// Whether `age` is possible; NaN is not.
    #[inline]
    pub fn contains(self, age: f64) -> bool {
        self.lower <= age && age <= self.upper
    }

    /// The possible age nearest to `age`.
    #[inline]
    pub fn clamp(self, age: f64) -> f64 {
        age.clamp(self.lower, self.upper)
    }
}

/// 0 to 116 years: the ages that occur in the data.
impl Default for AgeSupport {
    fn default() -> Self {
        Self { lower: 0.0, upper: 116.0 }
    }
}

/// [`AgeSupport`] as it stands in a file, before anybody has looked at it.
#[derive(Deserialize)]
struct Bounds {
    lower: f64,
    upper: f64,
}

impl TryFrom<Bounds> for AgeSupport {
    type Error = SupportError;

    fn try_from(Bounds { lower, upper }: Bounds) -> Result<Self, SupportError> {
        Self::new(lower, upper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_support_has_an_inside() {
        for (lower, upper) in [
            (0.0, 0.0),
            (5.0, 4.0),
            (-1.0, 50.0),
            (0.0, 1e6),
            (f64::NAN, 50.0),
            (0.0, f64::INFINITY),
        ] {
            assert!(AgeSupport::new(lower, upper).is_err(), "{lower} {upper}");
        }
        let support = AgeSupport::default();
        assert!(support.contains(0.0) && support.contains(116.0));
        assert!(!support.contains(116.1) && !support.contains(-0.1));
        assert!(!support.contains(f64::NAN));
        assert!(serde_json::from_str::<AgeSupport>(r#"{"lower":9,"upper":3}"#).is_err());
    }
}
