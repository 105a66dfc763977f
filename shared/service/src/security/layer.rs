//! The gate before every request.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use http::{Request, Response};
use tonic::body::Body;
use tonic::transport::server::TcpConnectInfo;
use tonic::{Code, Status};

use super::audit::Audit;
use super::gate::Refused;
use super::peek::Peek;
use super::permissions::{self, Field};
use super::{Caller, Gate, Origin};
use crate::around::{Answer, Around, Inner};
use crate::status;

/// The gate, before a service.
#[derive(Clone)]
pub(crate) struct Gated(Arc<Gate>);

impl Gated {
    pub(crate) fn new(gate: Gate) -> Self {
        Self(Arc::new(gate))
    }
}

impl Around for Gated {
    fn call(&self, mut request: Request<Body>, inner: &mut impl Inner) -> Answer {
        let path = request.uri().path().to_owned();
        let rule = permissions::of(&path);
        let Some(origin) = request.extensions().get::<Origin>().cloned() else {
            return said(status::new(
                Code::Internal,
                "INTERNAL",
                "nobody knows where this is from",
            ));
        };
        let audit = &self.0.audit;
        let (caller, allowance) = match self.0.admit(&origin, rule.need, request.headers()) {
            Ok(admitted) => admitted,
            Err(refused) => {
                let Refused { caller, status } = *refused;
                audit.refusal(&caller, &path, status::word(status.code()));
                return said(status);
            }
        };
        let extensions = request.extensions_mut();
        if let Origin::Network { address, .. } = origin {
            // What `Request::remote_addr` reads.
            let remote_addr = Some(address);
            extensions.insert(TcpConnectInfo { local_addr: None, remote_addr });
        }
        extensions.insert(caller.clone());
        extensions.insert(allowance);
        extensions.insert(audit.clone());
        let Some(field) = rule.about else { return Box::pin(inner.call(request)) };
        let (request, peek) = Peek::into(request);
        let act = Act { audit: audit.clone(), caller, path, field, peek, ended: None };
        let answer = inner.call(request);
        Box::pin(act.follow(answer))
    }
}

fn said(status: Status) -> Answer {
    Box::pin(std::future::ready(Ok(status.into_http())))
}

/// An administrative call under way. It is written down at its end, also when that is the caller
/// hanging up.
struct Act {
    audit: Audit,
    caller: Caller,
    path: String,
    field: Field,
    peek: Peek,
    ended: Option<Code>,
}

impl Act {
    async fn follow(
        mut self,
        answer: impl Future<Output = Result<Response<Body>, Infallible>>,
    ) -> Result<Response<Body>, Infallible> {
        let Ok(answer) = answer.await;
        // Headers without a status are those of an answer.
        let status = Status::from_header_map(answer.headers());
        self.ended = Some(status.map_or(Code::Ok, |status| status.code()));
        Ok(answer)
    }
}

impl Drop for Act {
    fn drop(&mut self) {
        let resource = self.peek.text(self.field.numbers, self.field.oneof);
        let status = self.ended.map_or("CANCELLED", status::word);
        self.audit.administration(&self.caller, &self.path, &resource, status);
    }
}
