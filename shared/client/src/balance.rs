//! One channel over all addresses that a name resolves to, as the headless Services of Kubernetes give them:
//! each request goes to one of two drawn at random, the less busy one.

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tonic::transport::channel::Change;
use tonic::transport::{Channel, Endpoint};

/// Between two looks at a name. A server that is new waits so long for its first request, and one that is
/// gone is asked so long.
pub(crate) const BETWEEN_LOOKS: Duration = Duration::from_secs(2);
/// Changes that wait to be seen.
const CHANGES: usize = 64;

/// The name itself has no address.
type Key = Option<SocketAddr>;

/// A channel to whatever `resolve` finds, now and later. Whoever calls before anything was found, or
/// where nothing is, is answered as by a channel to the name alone.
pub(crate) fn channel<F>(
    name: Endpoint,
    every: Duration,
    resolve: impl Fn() -> F + Send + 'static,
) -> Channel
where
    F: Future<Output = io::Result<Vec<SocketAddr>>> + Send,
{
    let (channel, changes) = Channel::balance_channel(CHANGES);
    tokio::spawn(async move {
        // Ends when nobody has the channel any more.
        let _ = follow(&name, every, resolve, &changes).await;
    });
    channel
}

async fn follow<F>(
    name: &Endpoint,
    every: Duration,
    resolve: impl Fn() -> F,
    changes: &Sender<Change<Key, Endpoint>>,
) -> Option<()>
where
    F: Future<Output = io::Result<Vec<SocketAddr>>>,
{
    changes.send(Change::Insert(None, name.clone())).await.ok()?;
    let mut known = BTreeSet::new();
    loop {
        // A resolver that is away for a moment is no reason to forget whom it named.
        let found = resolve().await.unwrap_or_default();
        if !found.is_empty() {
            known = change(name, &known, found.into_iter().collect(), changes).await?;
        }
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = changes.closed() => return None,
        }
    }
}

/// The new first, so that there is always somebody.
async fn change(
    name: &Endpoint,
    known: &BTreeSet<SocketAddr>,
    found: BTreeSet<SocketAddr>,
    changes: &Sender<Change<Key, Endpoint>>,
) -> Option<BTreeSet<SocketAddr>> {
    for &address in found.difference(known) {
        let endpoint = at(name, address);
        changes.send(Change::Insert(Some(address), endpoint)).await.ok()?;
    }
    if known.is_empty() {
        changes.send(Change::Remove(None)).await.ok()?;
    }
    for &address in known.difference(&found) {
        changes.send(Change::Remove(Some(address))).await.ok()?;
    }
    Some(found)
}

/// The same server at one of its addresses. It is still called by its name.
fn at(name: &Endpoint, address: SocketAddr) -> Endpoint {
    let named = name.uri().clone();
    let endpoint = Endpoint::from_shared(format!("http://{address}"));
    crate::connect::patient(endpoint.unwrap_or_else(|_| name.clone())).origin(named)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::net::TcpListener;
    use tokio::task::AbortHandle;
    use tokio_stream::wrappers::TcpListenerStream;
    use tonic::transport::Server;
    use tonic_health::ServingStatus;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;

    use super::*;

    /// Which server answers is told by what it says of its health.
    async fn server(status: ServingStatus) -> (SocketAddr, AbortHandle) {
        let (reporter, health) = tonic_health::server::health_reporter();
        reporter.set_service_status("", status).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let incoming = TcpListenerStream::new(listener);
        let serving = Server::builder().add_service(health).serve_with_incoming(incoming);
        (address, tokio::spawn(serving).abort_handle())
    }

    async fn answer(channel: &Channel) -> Option<i32> {
        let request = HealthCheckRequest::default();
        let said = HealthClient::new(channel.clone()).check(request).await;
        said.ok().map(|said| said.into_inner().status)
    }

    /// Asks until all that are expected have answered, one after another.
    async fn until(channel: &Channel, expected: &[ServingStatus]) {
        let expected: BTreeSet<i32> = expected.iter().map(|&status| status as i32).collect();
        let all = async {
            loop {
                let mut answered = BTreeSet::new();
                for _ in 0..50 {
                    answered.extend(answer(channel).await);
                }
                if answered == expected {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), all).await.expect("others answer");
    }

    #[tokio::test]
    async fn requests_go_to_whatever_the_name_stands_for_now() {
        const A: ServingStatus = ServingStatus::Serving;
        const B: ServingStatus = ServingStatus::NotServing;
        let ((a, a_serves), (b, _)) = (server(A).await, server(B).await);
        let found = Arc::new(Mutex::new(Vec::new()));
        let (name, resolved) = (Endpoint::from_static("http://127.0.0.1:1"), found.clone());
        let channel = channel(name, Duration::from_millis(10), move || {
            let found = resolved.lock().unwrap().clone();
            async move { if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) } }
        });
        // Nobody waits for a name that stands for nothing.
        assert_eq!(answer(&channel).await, None);
        let set = |addresses: &[SocketAddr]| *found.lock().unwrap() = addresses.to_vec();
        set(&[a]);
        until(&channel, &[A]).await;
        set(&[a, b]);
        until(&channel, &[A, B]).await;
        set(&[b]);
        until(&channel, &[B]).await;
        a_serves.abort();
        // A resolver that is away takes nobody away.
        set(&[]);
        tokio::time::sleep(Duration::from_millis(50)).await;
        until(&channel, &[B]).await;
    }
}
