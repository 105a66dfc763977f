//! The trace that a call belongs to goes with it, as W3C's `traceparent`.

use opentelemetry::global;
use opentelemetry::propagation::Injector;
use tonic::metadata::{MetadataKey, MetadataMap};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Writes where the current span stands into the metadata; nothing without a trace.
pub(crate) fn inject(metadata: &mut MetadataMap) {
    let here = Span::current().context();
    global::get_text_map_propagator(|traces| traces.inject_context(&here, &mut Metadata(metadata)));
}

struct Metadata<'a>(&'a mut MetadataMap);

impl Injector for Metadata<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(key), Ok(value)) = (MetadataKey::from_bytes(key.as_bytes()), value.parse()) {
            self.0.insert(key, value);
        }
    }
}
