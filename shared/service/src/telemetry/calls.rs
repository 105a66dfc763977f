//! How long calls take, and how they end: `rpc.server.call.duration` of OpenTelemetry's conventions.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use opentelemetry::metrics::Histogram;
use opentelemetry::{KeyValue, global};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::status;

/// The boundaries that the conventions advise, in seconds, and two below them: an answer takes
/// milliseconds.
const SECONDS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// Measures the calls of a service.
#[derive(Clone, Debug)]
pub(crate) struct CallsLayer(Arc<Histogram<f64>>);

impl CallsLayer {
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

impl<S> Layer<S> for CallsLayer {
    type Service = Calls<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Calls { inner, durations: self.0.clone() }
    }
}

/// A service whose calls are measured.
#[derive(Clone, Debug)]
pub(crate) struct Calls<S> {
    inner: S,
    durations: Arc<Histogram<f64>>,
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl<S> Service<Request<Body>> for Calls<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        let call = Call {
            method: request.uri().path().trim_start_matches('/').to_owned(),
            since: Instant::now(),
            // Whoever goes away before the end leaves this.
            code: Code::Cancelled,
            durations: self.durations.clone(),
        };
        let answer = self.inner.call(request);
        Box::pin(async move {
            let mut call = call;
            let Ok(response) = answer.await;
            if let Some(code) = code(response.headers()) {
                // Refused without a body.
                call.code = code;
                return Ok(response);
            }
            Ok(response.map(|body| Body::new(Measured { body, call })))
        })
    }
}

/// A call under way; it is written down when it is dropped.
struct Call {
    method: String,
    since: Instant,
    code: Code,
    durations: Arc<Histogram<f64>>,
}

impl Drop for Call {
    fn drop(&mut self) {
        // What nobody offers is of the caller's naming and without bounds.
        let method = match self.code {
            Code::Unimplemented => "_OTHER".to_owned(),
            _ => std::mem::take(&mut self.method),
        };
        let of = [
            KeyValue::new("rpc.system.name", "grpc"),
            KeyValue::new("rpc.method", method),
            KeyValue::new("rpc.response.status_code", status::word(self.code)),
        ];
        self.durations.record(self.since.elapsed().as_secs_f64(), &of);
    }
}

/// An answer whose trailers are looked at.
struct Measured {
    body: Body,
    call: Call,
}

impl http_body::Body for Measured {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(code) = frame.trailers_ref().and_then(code) {
                    self.call.code = code;
                }
            }
            Some(Err(status)) => self.call.code = status.code(),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|status| Code::from_bytes(status.as_bytes()))
}
