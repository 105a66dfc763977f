//! Whether Redis answers, as a flag.

use std::{future::Future, time::Duration};

use tokio::sync::watch;

use crate::Jobs;

/// Orchestrators ask every few seconds; a closed connection is noticed at once anyway.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// A flag that says whether job state can be had, and the work that keeps it true, which ends only
/// when it is dropped. It begins with `false`.
pub fn availability(jobs: Jobs) -> (watch::Receiver<bool>, impl Future<Output = ()> + Send) {
    let (flag, seen) = watch::channel(false);
    let keep = async move {
        loop {
            let answered = jobs.ping().await;
            let well = answered.is_ok();
            let turned = flag.send_if_modified(|was| std::mem::replace(was, well) != well);
            match (turned, answered) {
                (true, Ok(())) => tracing::info!("job state can be had"),
                (true, Err(error)) => tracing::warn!(%error, "job state cannot be had"),
                _ => {}
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    (seen, keep)
}
