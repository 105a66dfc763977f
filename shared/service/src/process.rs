//! A whole process: telemetry, resources, signals, [`serve`].

use std::error::Error;
use std::future::Future;
use std::pin::Pin;

use agespan_jobs::PrivateRedis;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{Component, Config, Platform, serve, telemetry};

/// Any error of a process's start, for its last line.
type AnyError = Box<dyn Error + Send + Sync>;

/// Makes the components out of the platform.
pub type Assemble = Box<
    dyn FnOnce(Platform) -> Pin<Box<dyn Future<Output = Result<Vec<Component>, AnyError>> + Send>>
        + Send,
>;

/// Runs until SIGINT or SIGTERM. `listening` is told the address, once requests are taken.
///
/// # Errors
/// Whatever keeps the process from starting, or stopped it.
pub async fn run(
    config: Config,
    assemble: Assemble,
    listening: impl FnOnce(std::net::SocketAddr),
) -> Result<(), AnyError> {
    let _telemetry = telemetry::start(&config.telemetry)?;
    let stop = until_signal()?;
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", config.listen))?;
    let address = listener.local_addr()?;
    let (redis_url, _redis) = match &config.redis_url {
        Some(url) => (url.clone(), None),
        None => {
            let redis = PrivateRedis::start(&config.data_dir.join("redis")).await?;
            (redis.url().to_owned(), Some(redis))
        }
    };
    let platform = Platform::new(&config, address, &redis_url)?;
    let jobs = platform.jobs.clone();
    let components = assemble(platform).await?;
    listening(address);
    serve(listener, components, jobs, config.drain(), stop).await?;
    Ok(())
}

/// A token that is cancelled by SIGINT or SIGTERM.
pub fn until_signal() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let cancel = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping: draining requests and giving jobs back");
        cancel.cancel();
    });
    Ok(token)
}
