//! Calls to the dataset service and the estimator: predictions for a calibration split.

use agespan_client::{AddressError, Client};
use agespan_conformal::{Prediction, PredictionError};
use agespan_proto::dataset::v1::{self as dataset, Split};
use agespan_proto::estimator::v1::{self as estimator, image_result::Outcome};
use tonic::Status;

use agespan_service::status;

/// Predictions with their true ages, and where they came from.
pub(crate) struct Gathered {
    pub(crate) model: String,
    pub(crate) split_hash: String,
    pub(crate) rows: Vec<(Prediction, f64)>,
}

/// The services that a calibration is gathered from.
#[derive(Clone, Debug)]
pub struct Peers {
    dataset: Client,
    estimator: Client,
}

impl Peers {
    /// At these addresses; nothing is contacted yet.
    ///
    /// # Errors
    /// When an address cannot be understood.
    pub fn new(dataset_url: &str, estimator_url: &str) -> Result<Self, AddressError> {
        Ok(Self { dataset: Client::new(dataset_url)?, estimator: Client::new(estimator_url)? })
    }

    /// Asks the model about every face of the data set's calibration split.
    pub(crate) async fn gather(&self, dataset: &str, model: &str) -> Result<Gathered, Status> {
        let split_hash = self.split_hash(dataset).await?;
        let request = dataset::StreamSamplesRequest {
            name: dataset.to_owned(),
            split: Split::Calibration.into(),
        };
        let mut samples = self.dataset.datasets().stream_samples(request).await?.into_inner();
        let mut gathered = Gathered { model: model.to_owned(), split_hash, rows: Vec::new() };
        while let Some(message) = samples.message().await? {
            self.predict(message.samples, &mut gathered).await?;
        }
        Ok(gathered)
    }

    async fn split_hash(&self, dataset: &str) -> Result<String, Status> {
        let request = dataset::GetSplitsRequest { name: dataset.to_owned() };
        let splits = self.dataset.datasets().get_splits(request).await?.into_inner().splits;
        let calibration = splits.into_iter().find(|split| split.split() == Split::Calibration);
        calibration.map(|split| split.content_hash).ok_or_else(|| {
            status::precondition("NO_CALIBRATION_SPLIT", dataset, "it has no calibration split")
        })
    }

    async fn predict(
        &self,
        samples: Vec<dataset::SampleImage>,
        gathered: &mut Gathered,
    ) -> Result<(), Status> {
        let ages: Vec<_> = samples
            .iter()
            .map(|sample| sample.sample.as_ref().and_then(|label| label.age))
            .collect();
        let request = estimator::BatchEstimateAgeRequest {
            images: samples.into_iter().map(|sample| sample.image).collect(),
            model: gathered.model.clone(),
            ..Default::default()
        };
        let answer = self.estimator.estimator().batch_estimate_age(request).await?.into_inner();
        // The name that answered: "the active one" must not change half-way through.
        gathered.model = answer.model;
        for (result, age) in answer.results.into_iter().zip(ages) {
            let (Some(Outcome::Estimates(estimates)), Some(age)) = (result.outcome, age) else {
                continue;
            };
            for face in estimates.faces {
                let prediction = Prediction::new(face.age, face.sigma).map_err(unusable)?;
                gathered.rows.push((prediction, f64::from(age)));
            }
        }
        Ok(())
    }
}

fn unusable(error: PredictionError) -> Status {
    status::internal(&error)
}
