//! Token buckets: so many requests a second, and some more at once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;

/// How much a caller may ask.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Requests a second in the long run.
    pub per_second: f64,
    /// Requests that may come at once after a pause.
    pub burst: u32,
}

impl Quota {
    pub(super) fn is_usable(&self) -> bool {
        self.per_second.is_finite() && self.per_second > 0.0 && self.burst > 0
    }
}

/// What is left of each caller's quota. It outlives the tokens file: a changed quota does not fill
/// the bucket.
#[derive(Debug, Default)]
pub(super) struct Buckets(Mutex<HashMap<String, Bucket>>);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    level: f64,
    at: Instant,
}

impl Buckets {
    /// Takes one request of `name`, or says in how long there will be one.
    pub(super) fn take(&self, name: &str, quota: Quota, now: Instant) -> Result<(), Duration> {
        let full = f64::from(quota.burst);
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = Bucket { level: full, at: now };
        let bucket = match buckets.get_mut(name) {
            Some(bucket) => bucket,
            None => buckets.entry(name.to_owned()).or_insert(begin),
        };
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.level = (bucket.level + passed * quota.per_second).min(full);
        bucket.at = now;
        if bucket.level < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.level) / quota.per_second));
        }
        bucket.level -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate_and_each_caller_alone() {
        let (buckets, start) = (Buckets::default(), Instant::now());
        let quota = Quota { per_second: 2.0, burst: 3 };
        let take = |name: &str, millis: u64| {
            buckets.take(name, quota, start + Duration::from_millis(millis))
        };
        assert!((0..3).all(|_| take("a", 0).is_ok()));
        let wait = take("a", 0).unwrap_err();
        assert_eq!(wait, Duration::from_millis(500));
        assert!(take("b", 0).is_ok());
        assert!(take("a", 499).is_err() && take("a", 500).is_ok() && take("a", 501).is_err());
        // However long the pause was, no more than the burst.
        let after = (0..9).filter(|_| take("a", 60_000).is_ok()).count();
        assert_eq!(after, 3);
        // A tighter quota holds at once.
        let tight = Quota { per_second: 0.5, burst: 1 };
        let later = start + Duration::from_secs(120);
        assert!(buckets.take("a", tight, later).is_ok());
        assert_eq!(buckets.take("a", tight, later).unwrap_err(), Duration::from_secs(2));
    }
}
