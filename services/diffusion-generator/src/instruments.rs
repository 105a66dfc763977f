//! What a collector is told of drawing. Their rates are steps and images a second.

use opentelemetry::global;
use opentelemetry::metrics::Counter;

/// The metrics of the generator.
#[derive(Clone, Debug)]
pub(crate) struct Instruments {
    steps: Counter<u64>,
    images: Counter<u64>,
}

impl Instruments {
    /// Of the process's meter.
    pub(crate) fn new() -> Self {
        let meter = global::meter("agespan.generator");
        let counter = |name: &'static str, description: &'static str| {
            meter.u64_counter(name).with_description(description).build()
        };
        Self {
            steps: counter("agespan.generator.steps", "Denoising steps, of one image each"),
            images: counter("agespan.generator.images", "Images that were drawn and stored"),
        }
    }

    pub(crate) fn stepped(&self) {
        self.steps.add(1, &[]);
    }

    pub(crate) fn drew(&self) {
        self.images.add(1, &[]);
    }
}
