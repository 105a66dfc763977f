//! A bad network: a TCP port in front of a Redis socket that can be cut, held up and delayed.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
    task::JoinHandle,
};

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    Fair,
    /// Connections break, and new ones as soon as they are made.
    Cut,
    /// Nothing gets through, and nobody is told: what is under way arrives when it is over.
    Held,
    /// Every piece takes so long.
    Slow(Duration),
    /// Requests arrive; at its answer the connection breaks.
    AnswersLost,
}

/// One link. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    weather: watch::Sender<Weather>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(socket: &Path) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("is bound").port();
        let (weather, seen) = watch::channel(Weather::Fair);
        let accepting = tokio::spawn(accept(listener, socket.to_owned(), seen));
        Self { port, weather, accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.weather.send_replace(Weather::Cut);
    }
}

async fn accept(listener: TcpListener, socket: PathBuf, weather: watch::Receiver<Weather>) {
    while let Ok((client, _)) = listener.accept().await {
        if *weather.borrow() == Weather::Cut {
            continue;
        }
        tokio::spawn(relay(client, socket.clone(), weather.clone()));
    }
}

async fn relay(client: TcpStream, socket: PathBuf, weather: watch::Receiver<Weather>) {
    // While Redis is away its socket refuses: so does this.
    let Ok(server) = UnixStream::connect(socket).await else {
        return;
    };
    let _ = client.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // Both directions end together, as the ends of a broken connection do.
    tokio::select! {
        () = pump(from_client, to_server, weather.clone(), false) => {}
        () = pump(from_server, to_client, weather, true) => {}
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut weather: watch::Receiver<Weather>,
    is_answer: bool,
) {
    let mut piece = vec![0; 64 * 1024];
    loop {
        let length = tokio::select! {
            read = from.read(&mut piece) => read.unwrap_or(0),
            _ = weather.wait_for(|weather| *weather == Weather::Cut) => return,
        };
        if length == 0 {
            return;
        }
        let now = match weather.wait_for(|weather| *weather != Weather::Held).await {
            Ok(now) => *now,
            Err(_) => return,
        };
        match now {
            Weather::Cut => return,
            Weather::AnswersLost if is_answer => return,
            Weather::Slow(delay) => tokio::time::sleep(delay).await,
            _ => {}
        }
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}
