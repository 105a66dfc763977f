//! Token buckets: so many requests a second, and some more at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::Extensions;
use serde::Deserialize;

/// How much a caller may ask. A photo of a batch or of a stream counts as a request.
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
            // More than a week is for ever.
            let seconds = ((1.0 - bucket.level) / quota.per_second).min(604_800.0);
            return Err(Duration::from_secs_f64(seconds));
        }
        bucket.level -= 1.0;
        Ok(())
    }

    /// Takes more of a request that was let in already, if need be on credit.
    fn charge(&self, name: &str, more: usize) {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(name) {
            bucket.level -= more as f64;
        }
    }
}

/// What the caller of a request may still ask, in its extensions, for requests that hold several
/// photos.
#[derive(Clone, Debug, Default)]
pub struct Allowance(Option<Limited>);

#[derive(Clone, Debug)]
struct Limited {
    buckets: Arc<Buckets>,
    name: Arc<str>,
    quota: Quota,
}

impl Allowance {
    pub(super) fn new(buckets: Arc<Buckets>, name: Arc<str>, quota: Quota) -> Self {
        Self(Some(Limited { buckets, name, quota }))
    }

    /// That of the one who asked a request with these extensions; without a quota it has no end.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_default()
    }

    /// Counts a batch of `photos` for what it holds. It was let in already, for one; what goes beyond
    /// that is taken from the requests to come.
    pub fn charge_batch(&self, photos: usize) {
        if let Some(limited) = &self.0 {
            limited.buckets.charge(&limited.name, photos.saturating_sub(1));
        }
    }

    /// Waits until there is one more: a stream is slowed down to its caller's quota.
    pub async fn one_more(&self) {
        let Some(Limited { buckets, name, quota }) = &self.0 else { return };
        while let Err(wait) = buckets.take(name, *quota, Instant::now()) {
            tokio::time::sleep(wait).await;
        }
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

    #[tokio::test]
    async fn what_a_batch_holds_is_taken_from_later_requests_and_a_stream_waits() {
        let (buckets, quota) = (Arc::new(Buckets::default()), Quota { per_second: 20.0, burst: 2 });
        let allowance = Allowance::new(buckets.clone(), "a".into(), quota);
        let start = Instant::now();
        buckets.take("a", quota, start).unwrap();
        allowance.charge_batch(4);
        // One, two and three photos of the batch are owed: three and one to ask again.
        let wait = buckets.take("a", quota, start).unwrap_err();
        assert_eq!(wait, Duration::from_millis(150));
        allowance.one_more().await;
        allowance.one_more().await;
        assert!(start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());
        Allowance::default().one_more().await;
        // A rate next to nothing is no panic.
        let never = Quota { per_second: f64::MIN_POSITIVE, burst: 1 };
        buckets.take("b", never, start).unwrap();
        assert!(buckets.take("b", never, start).is_err());
    }
}
