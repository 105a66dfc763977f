//! Components behind one entrance.

use std::time::Duration;

use agespan_jobs::Jobs;
use agespan_proto::DESCRIPTORS;
use agespan_proto::job::v1::job_service_server::{JobServiceServer, SERVICE_NAME as JOB_SERVICE};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::around::AroundLayer;
use crate::deadline::Deadline;
use crate::security::Gated;
use crate::telemetry::calls::Calls;
use crate::telemetry::trace;
use crate::transport::JobTransport;
use crate::{Component, Entrance};

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
    entrance: Entrance,
    components: Vec<Component>,
    jobs: Jobs,
    drain: Duration,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let (reporter, health) = tonic_health::server::health_reporter();
    let mut routes = Routes::builder();
    routes.add_service(health);
    routes.add_service(reflection().build_v1()?);
    routes.add_service(reflection().build_v1alpha()?);
    routes.add_service(JobServiceServer::new(JobTransport::new(jobs.clone())));

    let mut tasks = JoinSet::new();
    // Without Redis the job service alone is away: the others answer what needs no job state.
    let (available, keep) = agespan_jobs::availability(jobs);
    tasks.spawn(follow_readiness(reporter.clone(), JOB_SERVICE, available, stop.clone()));
    let ended = stop.clone();
    tasks.spawn(async move {
        tokio::select! {
            () = keep => {}
            () = ended.cancelled() => {}
        }
    });
    for component in components {
        (component.register)(&mut routes);
        let flags = [(component.proto_service, component.ready)].into_iter();
        for (name, flag) in flags.chain(component.health) {
            tasks.spawn(follow_readiness(reporter.clone(), name, flag, stop.clone()));
        }
        for start in component.background {
            tasks.spawn(start(stop.clone()));
        }
    }

    let deadline = stop.clone();
    let (connections, gate) = entrance.split();
    let server = Server::builder()
        .trace_fn(trace::of)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
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
