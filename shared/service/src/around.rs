//! What is done around every call: tower's layers without their ceremony.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

/// What becomes of a call.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// A service that answers gRPC.
pub(crate) trait Inner:
    Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>
{
}

impl<S> Inner for S where
    S: Service<
            Request<Body>,
            Response = Response<Body>,
            Error = Infallible,
            Future: Send + 'static,
        >
{
}

/// Something to be done around every call of a service.
pub(crate) trait Around: Clone {
    /// Answers a request, as a rule by handing it on to `inner`.
    fn call(&self, request: Request<Body>, inner: &mut impl Inner) -> Answer;
}

/// Puts it around a service.
#[derive(Clone, Debug)]
pub(crate) struct AroundLayer<A>(pub(crate) A);

impl<A: Around, S> Layer<S> for AroundLayer<A> {
    type Service = Surrounded<A, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Surrounded { around: self.0.clone(), inner }
    }
}

/// A service with something done around its calls.
#[derive(Clone, Debug)]
pub(crate) struct Surrounded<A, S> {
    around: A,
    inner: S,
}

impl<A: Around, S: Inner> Service<Request<Body>> for Surrounded<A, S> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        self.around.call(request, &mut self.inner)
    }
}

/// A body as it is, whose frames are shown to `see` as they pass.
pub(crate) fn watched<F>(body: Body, see: F) -> Body
where
    F: FnMut(&Result<Frame<Bytes>, Status>) + Send + Unpin + 'static,
{
    Body::new(Watched { body, see })
}

struct Watched<F> {
    body: Body,
    see: F,
}

impl<F> http_body::Body for Watched<F>
where
    F: FnMut(&Result<Frame<Bytes>, Status>) + Unpin,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        frame.iter().for_each(&mut self.see);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
