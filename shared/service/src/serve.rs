//! Components behind one entrance.

use std::time::Duration;

use agespan_jobs::Jobs;
use agespan_proto::DESCRIPTORS;
use agespan_proto::job::v1::job_service_server::{JobServiceServer, SERVICE_NAME as JOB_SERVICE};
use futures_util::FutureExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::HealthReporter;

use crate::around::AroundLayer;
use crate::deadline::Deadline;
use crate::security::Gated;
use crate::telemetry::calls::Calls;
use crate::telemetry::trace;
use crate::transport::JobTransport;
use crate::{Component, Entrance};

/// How long probes are answered after a process was told to stop. Kubernetes does not ask one that it
/// ends; load balancers do.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Why serving ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The descriptor set cannot be served.
    #[error("cannot serve reflection")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The transport failed.
    #[error("the server stopped")]
    Transport(#[from] tonic::transport::Error),
}

/// Serves until `stop`, then drains: health says NOT_SERVING, workers give their jobs back,
/// requests under way have `drain` to end.
pub async fn serve(
    mut entrance: Entrance,
    components: Vec<Component>,
    jobs: Jobs,
    drain: Duration,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let (reporter, health) = tonic_health::server::health_reporter();
    let mut tasks = JoinSet::new();
    if let Some(listener) = entrance.health.take() {
        tasks.spawn(for_probes(listener, health.clone(), stop.clone()));
    }
    let mut routes = Routes::builder();
    routes.add_service(health);
    routes.add_service(reflection().build_v1()?);
    routes.add_service(reflection().build_v1alpha()?);
    routes.add_service(JobServiceServer::new(JobTransport::new(jobs.clone())));

    // Without Redis the job service alone is away: the others answer what needs no job state.
    let (available, keep) = agespan_jobs::availability(jobs.clone());
    tasks.spawn(follow_readiness(reporter.clone(), JOB_SERVICE, available, stop.clone()));
    tasks.spawn(stop.clone().run_until_cancelled_owned(keep).map(drop));
    let mut queues = Vec::new();
    for component in components {
        queues.extend(component.queues);
        (component.register)(&mut routes);
        let flags = [(component.proto_service, component.ready)].into_iter();
        for (name, flag) in flags.chain(component.health) {
            tasks.spawn(follow_readiness(reporter.clone(), name, flag, stop.clone()));
        }
        for start in component.background {
            tasks.spawn(start(stop.clone()));
        }
    }

    let measured = agespan_jobs::measure_queues(jobs, queues);
    tasks.spawn(stop.clone().run_until_cancelled_owned(measured).map(|ended| {
        if let Some(Err(error)) = ended {
            tracing::error!(%error, "queues are not measured");
        }
    }));

    let deadline = stop.clone();
    let limits = entrance.limits;
    let (connections, gate) = entrance.split();
    let mut server = Server::builder()
        .max_concurrent_streams(limits.max_streams)
        .http2_keepalive_interval(Some(limits.keepalive()));
    if let Some(age) = limits.connection_age() {
        server = server.max_connection_age(age);
    }
    let server = server
        .trace_fn(trace::of)
        .layer(AroundLayer(Calls::new()))
        .layer(AroundLayer(Gated::new(gate)))
        .layer(AroundLayer(Deadline))
        .add_routes(routes.routes())
        .serve_with_incoming_shutdown(connections, stop.cancelled_owned());
    let served = tokio::select! {
        served = server => served,
        // A stream that never ends must not keep the process for ever.
        () = async { deadline.cancelled().await; tokio::time::sleep(drain).await } => Ok(()),
    };
    deadline.cancel();
    let _ = tokio::time::timeout(drain, tasks.join_all()).await;
    Ok(served?)
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

/// Health alone, until the process ends: a probe has to hear of the drain as well.
async fn for_probes(
    listener: TcpListener,
    health: HealthServer<impl Health>,
    stop: CancellationToken,
) {
    let server =
        Server::builder().add_service(health).serve_with_incoming(TcpIncoming::from(listener));
    let drained = async {
        stop.cancelled().await;
        // What is told last is read before the door closes.
        tokio::time::sleep(LAST_WORDS).await;
    };
    tokio::select! {
        served = server => if let Err(error) = served {
            tracing::error!(%error, "probes are not answered");
        },
        () = drained => {}
    }
}

async fn follow_readiness(
    reporter: HealthReporter,
    service: &'static str,
    mut ready: watch::Receiver<bool>,
    stop: CancellationToken,
) {
    loop {
        let status = if *ready.borrow_and_update() {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        reporter.set_service_status(service, status).await;
        tokio::select! {
            () = stop.cancelled() => break,
            changed = ready.changed() => if changed.is_err() {
                // The flag's owner is gone: the state stays as it is.
                stop.cancelled().await;
                break;
            }
        }
    }
    reporter.set_service_status(service, ServingStatus::NotServing).await;
    reporter.set_service_status("", ServingStatus::NotServing).await;
}
