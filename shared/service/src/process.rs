//! A whole process: telemetry, resources, signals, [`serve`].

use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::process::ExitCode;

use agespan_jobs::PrivateRedis;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{Component, Config, Entrance, Platform, serve, status, telemetry};

/// Any error of a process's start, for its last line.
pub type AnyError = Box<dyn Error + Send + Sync>;

/// Runs the components that `assemble` makes until SIGINT or SIGTERM. `listening` is told the
/// address once connections are taken.
///
/// # Errors
/// Whatever kept the process from starting, or stopped it.
pub async fn run<F>(
    config: Config,
    assemble: impl FnOnce(Platform) -> F,
    listening: impl FnOnce(SocketAddr),
) -> Result<(), AnyError>
where
    F: Future<Output = Result<Vec<Component>, AnyError>>,
{
    let mut telemetry = telemetry::start(&config.telemetry)?;
    if let Some(filter) = telemetry.filter.take() {
        tokio::spawn(filter.follow());
    }
    if let (Some(address), Some(registry)) = (config.telemetry.metrics_listen, &telemetry.registry)
    {
        let served = telemetry::page::serve(address, registry.clone()).await;
        served.map_err(|error| format!("cannot serve metrics on {address}: {error}"))?;
    }
    let stop = until_signal()?;
    let (entrance, own) = Entrance::open(&config).await?;
    let address = entrance.address().unwrap_or(config.listen);
    let (redis_url, _redis) = match &config.redis_url {
        Some(url) => (url.clone(), None),
        None => {
            let redis = PrivateRedis::start(&config.data_dir.join("redis")).await?;
            (redis.url().to_owned(), Some(redis))
        }
    };
    let platform = Platform::new(&config, &own, &redis_url)?;
    let jobs = platform.jobs.clone();
    let components = assemble(platform).await?;
    listening(address);
    serve(entrance, components, jobs, config.drain(), stop).await?;
    Ok(())
}

/// The `main` of a service's own process: a runtime, [`run`], and one clear line when it fails.
pub fn main<F>(config: Config, assemble: impl FnOnce(Platform) -> F) -> ExitCode
where
    F: Future<Output = Result<Vec<Component>, AnyError>>,
{
    let ran = tokio::runtime::Runtime::new().map_err(AnyError::from).and_then(|runtime| {
        runtime.block_on(run(config, assemble, |address| tracing::info!(%address, "serving")))
    });
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the last line of a process is for a person")]
            {
                eprintln!("error: {}", status::chain(&*error));
            }
            ExitCode::FAILURE
        }
    }
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
