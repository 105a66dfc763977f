//! Keeps the lease of a job while its handler runs.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::{CancelReason, JobContext, JobsError};

/// Renewing is also how a worker hears of a cancellation: people wait for that.
const HEAR_WITHIN: Duration = Duration::from_secs(1);

/// Renews the lease every third of it, or every second, until it is lost or this is dropped.
///
/// When Redis is away the work goes on. Nobody can take the job over while there is no Redis, and
/// when only this worker is cut off, the fencing token refuses what it writes later. Stopping every
/// job at each restart of Redis would cost more than a moment of double work.
pub(crate) async fn beat(context: JobContext, lease: Duration) {
    let mut ticks = interval((lease / 3).min(HEAR_WITHIN));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match once(&context).await {
            Ok(()) => {}
            Err(error @ JobsError::Fenced { .. }) => {
                tracing::warn!(%error, "the lease is lost: the attempt stops");
                return;
            }
            Err(error) => tracing::warn!(%error, "the lease was not renewed, trying again"),
        }
    }
}

async fn once(context: &JobContext) -> Result<(), JobsError> {
    if context.notice_fencing(context.lease().renew().await)? {
        context.cancel(CancelReason::Cancelled);
    }
    context.flush_progress().await
}
