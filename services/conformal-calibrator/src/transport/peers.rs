//! Calls to the dataset service and the estimator: predictions for a calibration split.

use agespan_client::{AddressError, Client, SplitEstimates};
use agespan_conformal::Row;
use agespan_proto::age::v1::Gender;
use agespan_proto::dataset::v1::{self as dataset, Split};
use agespan_proto::estimator::v1::image_result::Outcome;
use agespan_proto::estimator::v1::{BatchEstimateAgeRequest, FaceEstimate, ImageResult};
use agespan_service::status;
use agespan_service::transport::prediction_from_proto;
use tonic::Status;

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
        let asked = BatchEstimateAgeRequest {
            model: model.to_owned(),
            include_distribution: true,
            ..Default::default()
        };
        let mut gathered = Gathered { model: model.to_owned(), split_hash, rows: Vec::new() };
        let (datasets, estimator) = (&self.dataset, &self.estimator);
        let mut estimates =
            SplitEstimates::begin(datasets, estimator, dataset, Split::Calibration, asked).await?;
        while let Some((labels, answer)) = estimates.next().await? {
            gathered.model = answer.model;
            for (result, label) in answer.results.into_iter().zip(labels) {
                gathered.rows.extend(rows(result, &label)?);
            }
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
}

/// The rows of a photo; none without an estimate or a labelled age.
fn rows(result: ImageResult, label: &dataset::Sample) -> Result<Vec<Row>, Status> {
    let (Some(Outcome::Estimates(estimates)), Some(age)) = (result.outcome, label.age) else {
        return Ok(Vec::new());
    };
    let row = |face: FaceEstimate| {
        let prediction = prediction_from_proto(&face).map_err(|error| status::internal(&error))?;
        let gender = match label.gender() {
            Gender::Unspecified => None,
            gender => Some((face.probability_female, gender == Gender::Female)),
        };
        Ok(Row { prediction, truth: f64::from(age), gender })
    };
    estimates.faces.into_iter().map(row).collect()
}
