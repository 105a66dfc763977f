//! Where requests come in: a listener, under TLS or not, and calls of this process to itself.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use agespan_client::Client;
use agespan_client::tls::TlsError;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::{Connected, TcpIncoming};

use crate::security::{Exposed, Gate, GateError, Origin, caller_name, tls};
use crate::{Config, LimitsConfig};

/// How long a handshake may take, HTTP/2's greeting included: who connects and says nothing, or a byte now and
/// then, has his place for so long.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Bytes of HTTP/2's greeting (RFC 9113, section 3.4).
const GREETING: usize = 24;
/// Connections of this process to itself that wait to be taken.
const WAITING: usize = 64;

/// Where requests come in.
pub struct Entrance {
    listener: Option<TcpListener>,
    tls: tls::ServerTls,
    own: mpsc::Receiver<DuplexStream>,
    pub(crate) gate: Gate,
    pub(crate) limits: LimitsConfig,
    /// For probes that cannot do TLS.
    pub(crate) health: Option<TcpListener>,
}

/// Why there is no way in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EntranceError {
    /// It would be open to everybody.
    #[error(transparent)]
    Exposed(#[from] Exposed),
    /// The address cannot be had.
    #[error("cannot listen on {listen}; choose another with --listen")]
    Listen {
        /// Which one.
        listen: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The tokens or the audit log cannot be used.
    #[error(transparent)]
    Gate(#[from] GateError),
}

impl Entrance {
    /// As the settings say, and a client for the services of this process to call each other by.
    ///
    /// # Errors
    /// When it would be open to everybody, or the address or a file cannot be used.
    pub async fn open(config: &Config) -> Result<(Self, Client), EntranceError> {
        let (listen, security) = (config.listen, &config.security);
        security.check(listen, config.access.allow_plaintext)?;
        let (tls, gate) = (tls::load(security)?, Gate::new(security)?);
        let listener = Some(bind(listen).await?);
        let health = match config.health_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let (entrance, own) = Self::private();
        Ok((Self { listener, tls, gate, limits: config.limits, health, ..entrance }, own))
    }

    /// Of this process alone: no port is opened.
    pub fn private() -> (Self, Client) {
        let (accept, own) = mpsc::channel(WAITING);
        let (gate, limits) = (Gate::default(), LimitsConfig::default());
        let entrance = Self { listener: None, tls: None, own, gate, limits, health: None };
        (entrance, Client::in_process(accept))
    }

    /// The address that it listens on; none for a private one.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// The address where health alone is told; none without one.
    pub fn health_address(&self) -> Option<SocketAddr> {
        self.health.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Connections as they are made, and who is let in.
    pub(crate) fn split(self) -> (BoxStream<'static, io::Result<Connection>>, Gate) {
        let own = ReceiverStream::new(self.own).map(|stream| Ok(Connection::own(stream)));
        let most = self.limits.max_connections as usize;
        let (tls, room) = (self.tls, Arc::new(Semaphore::new(most)));
        let outside = match self.listener {
            None => stream::pending().boxed(),
            Some(listener) => TcpIncoming::from(listener)
                .with_nodelay(Some(true))
                .map(move |tcp| shake_hands(tcp, tls.clone(), room.clone()))
                // One more than may be open, which is closed at once.
                .buffer_unordered(most + 1)
                .boxed(),
        };
        (stream::select(outside, own).boxed(), self.gate)
    }
}

async fn bind(listen: SocketAddr) -> Result<TcpListener, EntranceError> {
    let bound = TcpListener::bind(listen).await;
    bound.map_err(|source| EntranceError::Listen { listen, source })
}

async fn shake_hands(
    tcp: io::Result<TcpStream>,
    tls: tls::ServerTls,
    room: Arc<Semaphore>,
) -> io::Result<Connection> {
    let tcp = tcp?;
    let address = tcp.peer_addr()?;
    let Ok(place) = room.try_acquire_owned() else {
        tracing::debug!(%address, "closed at once: too many connections");
        return Err(io::ErrorKind::ConnectionRefused.into());
    };
    let shaking = async {
        let Some(tls) = tls else {
            let origin = Origin::Network { address, certificate: None };
            return Connection::greeted(tcp, origin, place).await;
        };
        let stream = TlsAcceptor::from(tls.current()).accept(tcp).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let certificate = shown.map(caller_name);
        Connection::greeted(stream, Origin::Network { address, certificate }, place).await
    };
    let shaken = tokio::time::timeout(HANDSHAKE, shaking).await.map_err(io::Error::from);
    shaken.flatten().inspect_err(|error| {
        tracing::debug!(%error, %address, "closed: no TLS with a client, or no greeting");
    })
}

trait Stream: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

/// A connection of whatever kind, that knows where it comes from.
pub(crate) struct Connection {
    /// What has been read already.
    greeting: Bytes,
    stream: Pin<Box<dyn Stream>>,
    origin: Origin,
    /// Among the connections that may be open. Those within the process need none.
    _place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// Waits for the greeting. What it says is judged where HTTP/2 is spoken.
    async fn greeted(
        stream: impl Stream + 'static,
        origin: Origin,
        place: OwnedSemaphorePermit,
    ) -> io::Result<Self> {
        let mut stream: Pin<Box<dyn Stream>> = Box::pin(stream);
        let mut greeting = [0; GREETING];
        stream.read_exact(&mut greeting).await?;
        let greeting = Bytes::copy_from_slice(&greeting);
        Ok(Self { greeting, stream, origin, _place: Some(place) })
    }

    fn own(stream: DuplexStream) -> Self {
        let (greeting, stream) = (Bytes::new(), Box::pin(stream));
        Self { greeting, stream, origin: Origin::Own, _place: None }
    }
}

impl Connected for Connection {
    type ConnectInfo = Origin;

    fn connect_info(&self) -> Origin {
        self.origin.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.greeting.is_empty() {
            let length = self.greeting.len().min(buffer.remaining());
            buffer.put_slice(&self.greeting.split_to(length));
            return Poll::Ready(Ok(()));
        }
        self.stream.as_mut().poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(context)
    }
}
