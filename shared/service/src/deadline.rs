//! A request whose caller gave it a deadline is dropped when that has passed, and answered
//! DEADLINE_EXCEEDED. tonic drops it as well, but says CANCELLED.

use std::time::Duration;

use http::{HeaderMap, Request};
use tonic::body::Body;
use tonic::{Code, Status};

use crate::around::{Answer, Around, Inner};

/// Timers go by the millisecond: ours has to be the first of two.
const BEFORE_TONIC: Duration = Duration::from_millis(2);

/// The caller's deadline, before a service.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deadline;

impl Around for Deadline {
    fn call(&self, request: Request<Body>, inner: &mut impl Inner) -> Answer {
        let time = time_left(request.headers());
        let answer = inner.call(request);
        Box::pin(async move {
            let Some(time) = time else { return answer.await };
            let answered = tokio::time::timeout(time.saturating_sub(BEFORE_TONIC), answer).await;
            answered.unwrap_or_else(|_| Ok(exceeded(time).into_http()))
        })
    }
}

fn exceeded(time: Duration) -> Status {
    let message = format!("the caller's deadline of {time:?} has passed");
    crate::status::new(Code::DeadlineExceeded, "DEADLINE", message)
}

/// What `grpc-timeout` says: up to eight digits and a unit.
fn time_left(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = (digits.len() <= 8).then(|| digits.parse().ok())??;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::Response;
    use tower::{Layer, Service};

    use super::*;
    use crate::around::AroundLayer;

    fn asked(timeout: &str) -> Request<Body> {
        Request::builder().header("grpc-timeout", timeout).body(Body::empty()).unwrap()
    }

    /// What a service that never answers, or one that does at once, is seen to say.
    async fn said(timeout: &str, answers: bool) -> Option<Code> {
        let service = tower::service_fn(move |_: Request<Body>| async move {
            if !answers {
                std::future::pending::<()>().await;
            }
            Ok::<_, Infallible>(Response::new(Body::empty()))
        });
        let answer = AroundLayer(Deadline).layer(service).call(asked(timeout)).await.unwrap();
        Status::from_header_map(answer.headers()).map(|status| status.code())
    }

    #[tokio::test]
    async fn what_takes_longer_than_the_caller_waits_is_dropped_by_its_right_name() {
        for time in ["20m", "5000u", "1n", "0S"] {
            assert_eq!(said(time, false).await, Some(Code::DeadlineExceeded), "{time}");
        }
        // What is no time is nobody's deadline.
        for time in ["10S", "99999999H", "", "S", "5x", "123456789m", "-1S"] {
            assert_eq!(said(time, true).await, None, "{time}");
        }
    }
}
