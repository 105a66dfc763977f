//! How long calls take, and how they end: `rpc.server.call.duration` of OpenTelemetry's conventions.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body::Frame;
use opentelemetry::metrics::Histogram;
use opentelemetry::{KeyValue, global};
use tonic::body::Body;
use tonic::{Code, Status};

use crate::around::{Answer, Around, Inner, watched};
use crate::security::permissions;
use crate::status;

/// The boundaries that the conventions advise, in seconds, and two below them: an answer takes
/// milliseconds.
const SECONDS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// Measures the calls of a service.
#[derive(Clone, Debug)]
pub(crate) struct Calls(Arc<Histogram<f64>>);

impl Calls {
    /// With the process's meter.
    pub(crate) fn new() -> Self {
        let meter = global::meter("agespan.service");
        let durations = meter
            .f64_histogram("rpc.server.call.duration")
            .with_description("How long calls took, streams from their beginning to their end")
            .with_unit("s")
            .with_boundaries(SECONDS.to_vec());
        Self(Arc::new(durations.build()))
    }
}

impl Around for Calls {
    fn call(&self, request: Request<Body>, inner: &mut impl Inner) -> Answer {
        let mut call = Call {
            // What nobody offers is of the caller's naming and without bounds.
            method: permissions::method(request.uri().path()).unwrap_or("_OTHER"),
            since: Instant::now(),
            // Whoever goes away before the end leaves this.
            code: Code::Cancelled,
            durations: self.0.clone(),
        };
        let answer = inner.call(request);
        Box::pin(async move {
            let Ok(response) = answer.await;
            if let Some(code) = code(response.headers()) {
                // Refused without a body.
                call.end(code);
                return Ok(response);
            }
            let see = move |frame: &Result<_, _>| call.see(frame);
            Ok(response.map(|body| watched(body, see)))
        })
    }
}

/// A call under way; it is written down when it is dropped.
struct Call {
    method: &'static str,
    since: Instant,
    code: Code,
    durations: Arc<Histogram<f64>>,
}

impl Call {
    /// An answer's end is in its trailers.
    fn see(&mut self, frame: &Result<Frame<Bytes>, Status>) {
        let code = match frame {
            Ok(frame) => frame.trailers_ref().and_then(code),
            Err(status) => Some(status.code()),
        };
        if let Some(code) = code {
            self.end(code);
        }
    }

    fn end(&mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let of = [
            KeyValue::new("rpc.system.name", "grpc"),
            KeyValue::new("rpc.method", self.method),
            KeyValue::new("rpc.response.status_code", status::word(self.code)),
        ];
        self.durations.record(self.since.elapsed().as_secs_f64(), &of);
    }
}

fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|status| Code::from_bytes(status.as_bytes()))
}
