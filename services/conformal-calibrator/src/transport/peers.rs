//! Calls to the dataset service and the estimator: predictions for a calibration split.

use agespan_client::{AddressError, Client};
use agespan_conformal::{Prediction, PredictionError, Row};
use agespan_proto::age::v1::Gender;
use agespan_proto::dataset::v1::{self as dataset, Split};
use agespan_proto::estimator::v1::{self as estimator, image_result::Outcome};
use tonic::Status;

use agespan_service::status;

/// Predictions with their true ages, and where they came from.
pub(crate) struct Gathered {
    pub(crate) model: String,
    pub(crate) split_hash: String,
    pub(crate) rows: Vec<Row>,
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
        let (labels, images): (Vec<_>, Vec<_>) = samples
            .into_iter()
            .map(|sample| (sample.sample.unwrap_or_default(), sample.image))
            .unzip();
        let request = estimator::BatchEstimateAgeRequest {
            images,
            model: gathered.model.clone(),
            include_distribution: true,
            ..Default::default()
        };
        let answer = self.estimator.estimator().batch_estimate_age(request).await?.into_inner();
        // The name that answered: "the active one" must not change half-way through.
        gathered.model = answer.model;
        for (result, label) in answer.results.into_iter().zip(labels) {
            let (Some(Outcome::Estimates(estimates)), Some(age)) = (result.outcome, label.age)
            else {
                continue;
            };
            for face in estimates.faces {
                let prediction = predicted(&face).map_err(unusable)?;
                let gender = match label.gender() {
                    Gender::Unspecified => None,
                    gender => Some((face.probability_female, gender == Gender::Female)),
                };
                gathered.rows.push(Row { prediction, truth: f64::from(age), gender });
            }
        }
        Ok(())
    }
}

fn predicted(face: &estimator::FaceEstimate) -> Result<Prediction, PredictionError> {
    let probabilities = face.distribution.as_ref().map(|all| all.probabilities.as_slice());
    let probabilities: Vec<f64> =
        probabilities.unwrap_or_default().iter().map(|&p| f64::from(p)).collect();
    Ok(Prediction::from_distribution(&probabilities)?.with_gender(face.gender() == Gender::Female))
}

fn unusable(error: PredictionError) -> Status {
    status::internal(&error)
}
