//! Calls to the dataset service, for faces to learn from, and to the calibrator, for calibrations.

use std::time::Duration;

use agespan_client::{Client, explain};
use agespan_jobs::{JobContext, JobFailure};
use agespan_proto::age::v1::Gender;
use agespan_proto::calibrator::v1::WatchCalibrationRequest;
use agespan_proto::dataset::v1 as proto;
use agespan_service::transport::{gather, peer_failure};
use agespan_service::{CancellationToken, Platform};
use bytes::Bytes;
use tokio::sync::watch;
use tonic::Status;

use crate::Calibrations;
use crate::training::AgeLabel;

/// Pause before a broken watch is begun again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the service waits for its first calibration before it is ready without one: the
/// calibrator may be away, or have none.
const PATIENCE: Duration = Duration::from_secs(5);

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    Train,
    Validation,
}

/// A photo with its labels.
#[derive(Debug)]
pub(crate) struct Labelled {
    pub(crate) image: Bytes,
    pub(crate) age: AgeLabel,
    /// Not every data set says.
    pub(crate) female: Option<bool>,
}

/// The services that the estimator calls.
#[derive(Clone, Debug)]
pub struct Peers {
    dataset: Client,
    calibrator: Client,
}

/// A sample whose age is known, to the year or as a range.
fn labelled(sample: proto::SampleImage) -> Option<Labelled> {
    let label = sample.sample?;
    let female = match label.gender() {
        Gender::Female => Some(true),
        Gender::Male => Some(false),
        Gender::Unspecified => None,
    };
    let range = label.age_range.map(|range| AgeLabel::Range(range.lower, range.upper));
    let age = label.age.map(AgeLabel::Exact).or(range)?;
    Some(Labelled { image: sample.image, age, female })
}

impl Peers {
    /// The platform's.
    pub fn new(platform: &Platform) -> Self {
        Self { dataset: platform.dataset.clone(), calibrator: platform.calibrator.clone() }
    }

    pub(crate) async fn dataset_hash(&self, dataset: &str) -> Result<String, JobFailure> {
        let request = proto::GetDatasetRequest { name: dataset.to_owned() };
        let answer = self.dataset.datasets().get_dataset(request).await.map_err(peer_failure)?;
        Ok(answer.into_inner().dataset.unwrap_or_default().content_hash)
    }

    /// What `decode` makes of the photos of a split whose age is known; at most `most`, all for 0.
    pub(crate) async fn faces<T: Send + 'static>(
        &self,
        dataset: &str,
        split: Split,
        most: usize,
        context: &JobContext,
        decode: impl Fn(Labelled) -> Result<T, JobFailure> + Clone + Send + 'static,
    ) -> Result<Vec<T>, JobFailure> {
        let split = match split {
            Split::Train => proto::Split::Train,
            Split::Validation => proto::Split::Validation,
        };
        let decode = move |sample| labelled(sample).map(&decode);
        Ok(gather(&self.dataset, (dataset, split), most, context, decode).await?.faces)
    }

    /// Takes every calibration that the calibrator publishes, until told to stop. While the
    /// calibrator is away, the calibrations that are known stay in use.
    pub(crate) async fn follow_calibrations(
        self,
        calibrations: Calibrations,
        ready: watch::Sender<bool>,
        stop: CancellationToken,
    ) {
        let patience = async {
            tokio::time::sleep(PATIENCE).await;
            ready.send_replace(true);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = patience => {}
            () = self.follow(&calibrations, &ready) => {}
        }
    }

    async fn follow(&self, calibrations: &Calibrations, ready: &watch::Sender<bool>) {
        let mut away = false;
        loop {
            let followed = self.follow_once(calibrations, ready, &mut away).await;
            // Said once, not every second.
            if let Err(status) = followed
                && !away
            {
                away = true;
                tracing::warn!(why = %explain(&status), "the calibrator is away");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn follow_once(
        &self,
        calibrations: &Calibrations,
        ready: &watch::Sender<bool>,
        away: &mut bool,
    ) -> Result<(), Status> {
        let mut client = self.calibrator.calibrator();
        let mut changes = client.watch_calibration(WatchCalibrationRequest {}).await?.into_inner();
        *away = false;
        while let Some(change) = changes.message().await? {
            let levels = change.levels.into_iter().map(|level| (level.stream, level.miscoverage));
            let levels = levels.collect();
            if change.document.is_empty() {
                let calibration = change.calibration.unwrap_or_default();
                let id = calibration.name.trim_start_matches("calibrations/");
                calibrations.set_levels(&calibration.model, id, levels);
                continue;
            }
            match calibrations.accept(&change.document, levels) {
                Ok(active) => {
                    let model = &active.document.model;
                    tracing::info!(calibration = active.id, model, "calibration is active");
                    ready.send_replace(true);
                }
                Err(error) => tracing::error!(%error, "refused a calibration"),
            }
        }
        Ok(())
    }
}
