//! A job belongs to the trace of the request that submitted it, however long it waits.

use std::collections::HashMap;

use opentelemetry::global;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The header of the W3C's recommendation.
const PARENT: &str = "traceparent";

/// Where the current span stands; empty without a trace.
pub(crate) fn here() -> String {
    let mut carried = HashMap::new();
    let context = Span::current().context();
    global::get_text_map_propagator(|traces| traces.inject_context(&context, &mut carried));
    carried.remove(PARENT).unwrap_or_default()
}

/// Puts a span below the one that a job was submitted in.
pub(crate) fn continue_in(span: &Span, trace: Option<&str>) {
    let Some(trace) = trace.filter(|trace| !trace.is_empty()) else { return };
    let carried = HashMap::from([(PARENT.to_owned(), trace.to_owned())]);
    // Without a collector there are no spans to be below another.
    let _ = span.set_parent(global::get_text_map_propagator(|traces| traces.extract(&carried)));
}
