//! What a collector is told of the way of a request.

use std::time::Duration;

use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global};

/// Seconds: from a tenth of a millisecond, as long as nothing waits, to where callers have gone.
const SECONDS: [f64; 14] =
    [1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Faces of a batch.
const FACES: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 32.0];

/// The metrics of the estimator.
#[derive(Debug)]
pub struct Instruments {
    queue_time: Histogram<f64>,
    decode_time: Histogram<f64>,
    refused: Counter<u64>,
    abandoned: Counter<u64>,
    batch_size: Histogram<u64>,
    forward_time: Histogram<f64>,
    cache: Counter<u64>,
}

impl Default for Instruments {
    fn default() -> Self {
        Self::new()
    }
}

impl Instruments {
    /// Of the process's meter.
    pub fn new() -> Self {
        let meter = global::meter("agespan.estimator");
        let seconds = |name: &'static str, description: &'static str| {
            let histogram = meter.f64_histogram(name).with_description(description);
            histogram.with_unit("s").with_boundaries(SECONDS.to_vec()).build()
        };
        let counter = |name: &'static str, description: &'static str| {
            meter.u64_counter(name).with_description(description).build()
        };
        Self {
            queue_time: seconds(
                "agespan.estimator.queue_time",
                "How long photos waited before they were decoded",
            ),
            decode_time: seconds(
                "agespan.estimator.decode_time",
                "How long a photo took from bytes to pixels, cut and resized where it is one face",
            ),
            forward_time: seconds(
                "agespan.estimator.forward_time",
                "How long the network took for a batch",
            ),
            refused: counter(
                "agespan.estimator.refused",
                "Requests that were refused because the line was full",
            ),
            abandoned: counter(
                "agespan.estimator.abandoned",
                "Requests that were cancelled or expired before the model saw them",
            ),
            cache: counter(
                "agespan.estimator.cache",
                "Photos that were looked up among those answered before, by whether they were there",
            ),
            batch_size: meter
                .u64_histogram("agespan.estimator.batch_size")
                .with_description("Faces of a batch")
                .with_boundaries(FACES.to_vec())
                .build(),
        }
    }

    pub(crate) fn waited(&self, time: Duration) {
        self.queue_time.record(time.as_secs_f64(), &[]);
    }

    pub(crate) fn decoded(&self, time: Duration) {
        self.decode_time.record(time.as_secs_f64(), &[]);
    }

    pub(crate) fn refused(&self) {
        self.refused.add(1, &[]);
    }

    pub(crate) fn abandoned(&self) {
        self.abandoned.add(1, &[]);
    }

    pub(crate) fn remembered(&self, hit: bool) {
        self.cache.add(1, &[KeyValue::new("hit", hit)]);
    }

    pub(crate) fn answered(&self, faces: usize, time: Duration) {
        self.batch_size.record(faces as u64, &[]);
        self.forward_time.record(time.as_secs_f64(), &[]);
    }
}
