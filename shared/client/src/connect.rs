//! How connections are made: over TCP, under TLS with what the files say at that moment, or within
//! this process.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncBufReadExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::{ClientError, Credentials, Reloaded, balance};

/// How long a server's first words are waited for. One that waits for the client's has accepted it.
const FIRST_WORDS: Duration = Duration::from_secs(1);
/// Bytes that wait between the two ends of a connection within this process.
const IN_PROCESS_BYTES: usize = 256 << 10;

/// A channel to `url`; nothing is contacted yet.
pub(crate) fn channel(url: &str, credentials: &Credentials) -> Result<Channel, ClientError> {
    let malformed = |source| ClientError::Address { url: url.to_owned(), source };
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(malformed)?;
    let secure = endpoint.uri().scheme_str() == Some("https");
    let may_be_read = !secure && !credentials.allow_plaintext && !is_loopback(endpoint.uri());
    if credentials.token.is_some() && may_be_read {
        return Err(ClientError::Plaintext { url: url.to_owned() });
    }
    let endpoint = patient(endpoint);
    if !secure {
        return Ok(plain(endpoint));
    }
    let tls = credentials.tls.load()?;
    let connect = tower::service_fn(move |uri| connect(uri, tls.clone()));
    Ok(endpoint.connect_with_connector_lazy(connect))
}

/// How a connection is made, whoever it is to.
pub(crate) fn patient(endpoint: Endpoint) -> Endpoint {
    endpoint.connect_timeout(Duration::from_secs(5)).tcp_nodelay(true)
}

/// To an address, or to all that a name stands for. "localhost" stands for one machine by two.
fn plain(endpoint: Endpoint) -> Channel {
    let (host, port) = (bare_host(endpoint.uri()).to_owned(), endpoint.uri().port_u16());
    if host == "localhost" || host.parse::<IpAddr>().is_ok() {
        return endpoint.connect_lazy();
    }
    let place = (host, port.unwrap_or(80));
    balance::channel(endpoint, balance::BETWEEN_LOOKS, move || resolve(place.clone()))
}

/// The addresses of a name, of one family: where a server has one of each, they are one server. The
/// resolver puts in front what this machine can reach.
async fn resolve(place: (String, u16)) -> io::Result<Vec<SocketAddr>> {
    let all: Vec<_> = tokio::net::lookup_host(place).await?.collect();
    let family = all.first().map(SocketAddr::is_ipv4);
    Ok(all.into_iter().filter(|address| Some(address.is_ipv4()) == family).collect())
}

fn is_loopback(uri: &Uri) -> bool {
    let host = bare_host(uri);
    host == "localhost"
        || host.parse().is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
}

/// The host; an IPv6 address without its brackets.
fn bare_host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

async fn connect(
    uri: Uri,
    tls: Reloaded<ClientConfig>,
) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
    let host = bare_host(&uri);
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let tcp = TcpStream::connect((host, uri.port_u16().unwrap_or(443))).await?;
    tcp.set_nodelay(true)?;
    let mut stream = TlsConnector::from(tls.current()).connect(name, tcp).await?;
    // TLS 1.3 refuses a client's certificate after the handshake, and why gets lost when the client has
    // begun to speak by then. An HTTP/2 server speaks at once.
    if let Ok(words) = tokio::time::timeout(FIRST_WORDS, stream.fill_buf()).await {
        words?;
    }
    Ok(TokioIo::new(stream))
}

/// A channel whose connections are handed to `accept`.
pub(crate) fn in_process(accept: mpsc::Sender<DuplexStream>) -> Channel {
    let connect = tower::service_fn(move |_: Uri| {
        let accept = accept.clone();
        async move {
            let (near, far) = tokio::io::duplex(IN_PROCESS_BYTES);
            let sent = accept.send(far).await;
            sent.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
            Ok::<_, io::Error>(TokioIo::new(near))
        }
    });
    // The address is never resolved.
    Endpoint::from_static("http://this-process").connect_with_connector_lazy(connect)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TokenSource;

    #[tokio::test]
    async fn a_token_goes_to_other_machines_under_tls_alone() {
        let token = TokenSource::Given("abc".to_owned().into());
        let mut credentials = Credentials { token: Some(token), ..Default::default() };
        let refused = |url: &str, credentials: &Credentials| {
            matches!(channel(url, credentials), Err(ClientError::Plaintext { .. }))
        };
        for url in ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1"] {
            assert!(!refused(url, &credentials), "{url}");
        }
        for url in ["http://10.0.0.1:1", "http://estimator:50051", "http://localhost.evil:1"] {
            assert!(refused(url, &credentials), "{url}");
        }
        credentials.allow_plaintext = true;
        assert!(!refused("http://estimator:50051", &credentials));
        let nothing = Credentials::default();
        assert!(!refused("http://10.0.0.1:1", &nothing));
    }
}
