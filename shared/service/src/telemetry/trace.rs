//! One trace through all processes: W3C's `traceparent`, taken from a request here and sent with the
//! requests that it leads to by the [client](agespan_client).

use http::{HeaderMap, Request};
use opentelemetry::global;
use opentelemetry::propagation::Extractor;
use opentelemetry::trace::TraceContextExt;
use tracing::{Span, field};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The span of a request: below the caller's, where that says which it is. Log lines within it have its
/// trace's id.
pub(crate) fn of(request: &Request<()>) -> Span {
    let method = request.uri().path().trim_start_matches('/');
    let span = tracing::info_span!(
        "rpc",
        otel.name = method,
        otel.kind = "server",
        rpc.system.name = "grpc",
        rpc.method = method,
        trace_id = field::Empty,
    );
    let caller =
        global::get_text_map_propagator(|traces| traces.extract(&Headers(request.headers())));
    let its_own = caller.span().span_context().trace_id();
    // Without a collector there are no spans to be below another.
    let traced = span.set_parent(caller).is_ok();
    let context = span.context();
    let id = if traced { context.span().span_context().trace_id() } else { its_own };
    if id != opentelemetry::TraceId::INVALID {
        span.record("trace_id", field::display(id));
    }
    span
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
