//! Calls to the dataset service and the estimator: predictions for a calibration split.

use agespan_client::{Client, SplitEstimates};
use agespan_conformal::{CalibrationSpec, Grouping, Row};
use agespan_proto::age::v1::Gender;
use agespan_proto::dataset::v1::{self as dataset, Split};
use agespan_proto::estimator::v1::image_result::Outcome;
use agespan_proto::estimator::v1::{BatchEstimateAgeRequest, ImageResult};
use agespan_service::transport::prediction_from_proto;
use agespan_service::{Platform, status};
use tonic::Status;

/// Predictions with their true ages, and where they came from.
pub(crate) struct Gathered {
    pub(crate) model: String,
    pub(crate) split_hash: String,
    pub(crate) rows: Vec<Row>,
    /// Faces among them whose age label is a range.
    pub(crate) ranges: u32,
    /// Faces that are left out, since their range does not say which group they are in.
    pub(crate) skipped: u32,
}

/// The services that a calibration is gathered from.
#[derive(Clone, Debug)]
pub struct Peers {
    dataset: Client,
    estimator: Client,
}

impl Peers {
    /// The platform's.
    pub fn new(platform: &Platform) -> Self {
        Self { dataset: platform.dataset.clone(), estimator: platform.estimator.clone() }
    }

    /// Asks the model about every face of the data set's calibration split.
    pub(crate) async fn gather(
        &self,
        dataset: &str,
        model: &str,
        spec: CalibrationSpec,
    ) -> Result<Gathered, Status> {
        let split_hash = self.split_hash(dataset).await?;
        let asked = BatchEstimateAgeRequest {
            model: model.to_owned(),
            include_distribution: true,
            ..Default::default()
        };
        let mut gathered = Gathered {
            model: model.to_owned(),
            split_hash,
            rows: Vec::new(),
            ranges: 0,
            skipped: 0,
        };
        let (datasets, estimator) = (&self.dataset, &self.estimator);
        let mut estimates =
            SplitEstimates::begin(datasets, estimator, dataset, Split::Calibration, asked).await?;
        while let Some((labels, answer)) = estimates.next().await? {
            gathered.model = answer.model;
            for (result, label) in answer.results.into_iter().zip(labels) {
                gathered.take(result, &label, spec)?;
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

impl Gathered {
    /// Takes the faces of a photo; none without an estimate or a labelled age.
    fn take(
        &mut self,
        result: ImageResult,
        label: &dataset::Sample,
        spec: CalibrationSpec,
    ) -> Result<(), Status> {
        let Some(Outcome::Estimates(estimates)) = result.outcome else { return Ok(()) };
        for face in estimates.faces {
            let prediction =
                prediction_from_proto(&face).map_err(|error| status::internal(&error))?;
            let gender = match label.gender() {
                Gender::Unspecified => None,
                gender => Some((face.probability_female, gender == Gender::Female)),
            };
            let truth = match (label.age, label.age_range) {
                (Some(age), _) => f64::from(age),
                (None, Some(range)) if is_of_one_group(range, spec) => {
                    self.ranges += 1;
                    spec.score.worst(&prediction, range.lower.into(), range.upper.into())
                }
                (None, Some(_)) => {
                    self.skipped += 1;
                    continue;
                }
                (None, None) => continue,
            };
            self.rows.push(Row { prediction, truth, gender });
        }
        Ok(())
    }
}

/// Whether all ages of a range belong to one group.
fn is_of_one_group(range: dataset::AgeRange, spec: CalibrationSpec) -> bool {
    spec.grouping != Grouping::TrueDecade || range.lower / 10 == range.upper / 10
}
