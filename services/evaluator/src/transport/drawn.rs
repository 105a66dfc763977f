//! What the estimator says of the faces of a generation job.

use agespan_client::SplitEstimates;
use agespan_jobs::JobFailure;
use agespan_proto::age::v1::Gender;
use agespan_proto::calibrator::v1::{
    LabelledPrediction, PredictShiftedIntervalsRequest, Score, UnlabelledPrediction,
};
use agespan_proto::dataset::v1::Split;
use agespan_proto::estimator::v1::{self as estimator, image_result::Outcome};
use agespan_proto::generator::v1::{StreamGeneratedFacesRequest, StreamGeneratedFacesResponse};
use agespan_service::transport::peer_failure;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::Peers;
use super::peers::same_throughout;
use crate::cross_check::{Row, SecondAnswer};
use crate::cross_check_worker::Asked;

/// Images of one question to the estimator.
const BATCH: usize = 16;
/// The most faces of each sort that a correction for the shift is given.
const MOST: usize = 10_000;

/// Drawn faces and what was said of them.
#[derive(Debug, Default)]
pub(crate) struct Drawn {
    pub(crate) model: String,
    pub(crate) calibration: String,
    pub(crate) pipeline: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) refused: u64,
    /// Of each row.
    predictions: Vec<UnlabelledPrediction>,
}

impl Drawn {
    /// How many images were asked about.
    pub(crate) fn seen(&self) -> u64 {
        self.rows.len() as u64 + self.refused
    }
}

impl Peers {
    /// Asks the estimator about every image of a generation, as whole images. `progress` is told how
    /// many are done.
    pub(crate) async fn drawn_estimates(
        &self,
        asked: &Asked,
        progress: impl Fn(u64),
    ) -> Result<Drawn, JobFailure> {
        let request = StreamGeneratedFacesRequest { job: asked.generated.clone(), start_index: 0 };
        let images = self.generator.generator().stream_generated_faces(request).await;
        let mut images = images.map_err(peer_failure)?.into_inner();
        let mut drawn = Drawn { model: asked.model.clone(), ..Drawn::default() };
        let mut batch = Vec::new();
        while let Some(image) = images.message().await.map_err(peer_failure)? {
            drawn.pipeline.clone_from(&image.pipeline);
            batch.push(image);
            if batch.len() == BATCH {
                self.estimate(asked, std::mem::take(&mut batch), &mut drawn).await?;
                progress(drawn.seen());
            }
        }
        if !batch.is_empty() {
            self.estimate(asked, batch, &mut drawn).await?;
        }
        Ok(drawn)
    }

    async fn estimate(
        &self,
        asked: &Asked,
        images: Vec<StreamGeneratedFacesResponse>,
        drawn: &mut Drawn,
    ) -> Result<(), JobFailure> {
        let files = images.iter().map(|image| image.image.clone()).collect();
        let names = (&mut drawn.model, &mut drawn.calibration);
        let results = self.ask_about(files, asked.coverage, names).await?;
        for (result, image) in results.into_iter().zip(images) {
            match first_face(result).and_then(|face| Some((row(&face, image)?, unlabelled(&face))))
            {
                Some((row, prediction)) => {
                    drawn.rows.push(row);
                    drawn.predictions.push(prediction);
                }
                None => drawn.refused += 1,
            }
        }
        Ok(())
    }

    /// Asks one model about whole images and pins its name and its calibration's.
    async fn ask_about(
        &self,
        images: Vec<Bytes>,
        coverage: f64,
        (model, calibration): (&mut String, &mut String),
    ) -> Result<Vec<estimator::ImageResult>, JobFailure> {
        let request = estimator::BatchEstimateAgeRequest {
            images,
            coverage: Some(coverage),
            model: model.clone(),
            include_distribution: true,
            ..Default::default()
        };
        let answer = self.estimator.estimator().batch_estimate_age(request).await;
        let answer = answer.map_err(peer_failure)?.into_inner();
        same_throughout(model, calibration, &answer)?;
        Ok(answer.results)
    }

    /// Gives each row a second predictor's answer, and says which model and calibration answered.
    pub(crate) async fn second_estimates(
        &self,
        asked: &Asked,
        rows: &mut [Row],
    ) -> Result<(String, String), JobFailure> {
        let (mut model, mut calibration) = (asked.second_model.clone(), String::new());
        for rows in rows.chunks_mut(BATCH) {
            let image = |row: &Row| STANDARD.decode(&row.image).unwrap_or_default().into();
            let files = rows.iter().map(image).collect();
            let names = (&mut model, &mut calibration);
            let results = self.ask_about(files, asked.coverage, names).await?;
            for (result, row) in results.into_iter().zip(rows) {
                row.second = first_face(result).and_then(|face| second(&face));
            }
        }
        Ok((model, calibration))
    }

    /// Gives each row an interval that is weighted for the shift from a data set's calibration split
    /// to these faces, and says how many drawn faces the weighted real ones are worth.
    pub(crate) async fn shift(&self, asked: &Asked, drawn: &mut Drawn) -> Result<f64, JobFailure> {
        let how = estimator::BatchEstimateAgeRequest {
            model: drawn.model.clone(),
            include_distribution: true,
            ..Default::default()
        };
        let (dataset, estimator) = (&self.dataset, &self.estimator);
        let split = Split::Calibration;
        let begun = SplitEstimates::begin(dataset, estimator, &asked.dataset, split, how).await;
        let mut estimates = begun.map_err(peer_failure)?;
        let (mut calibration, mut source) = (Vec::new(), Vec::new());
        while let Some((labels, answer)) = estimates.next().await.map_err(peer_failure)? {
            for (result, label) in answer.results.into_iter().zip(labels) {
                let Some(Outcome::Estimates(estimates)) = result.outcome else { continue };
                let (Some(face), Some(age)) = (estimates.faces.first(), label.age) else {
                    continue;
                };
                // Every other face teaches what real faces are like; it must not be scored as well.
                if calibration.len() <= source.len() {
                    calibration.push(labelled(face, age));
                } else {
                    source.push(unlabelled(face));
                }
            }
        }
        calibration.truncate(MOST);
        source.truncate(MOST);
        let target: Vec<_> = drawn.predictions.iter().take(MOST).cloned().collect();
        let request = PredictShiftedIntervalsRequest {
            score: Score::ShortestWindow.into(),
            coverage: Some(asked.coverage),
            calibration,
            source,
            predictions: target.clone(),
            target,
        };
        let answer = self.calibrator.calibrator().predict_shifted_intervals(request).await;
        let answer = answer.map_err(peer_failure)?.into_inner();
        for (row, interval) in drawn.rows.iter_mut().zip(answer.intervals) {
            row.shifted = Some((interval.lower, interval.upper));
        }
        Ok(answer.effective_sample_size)
    }
}

/// The only one: drawn faces are asked about as whole images. None where it was refused.
fn first_face(result: estimator::ImageResult) -> Option<estimator::FaceEstimate> {
    match result.outcome {
        Some(Outcome::Estimates(estimates)) => estimates.faces.into_iter().next(),
        _ => None,
    }
}

fn second(face: &estimator::FaceEstimate) -> Option<SecondAnswer> {
    let interval = face.interval.as_ref()?;
    Some(SecondAnswer {
        estimate: face.age,
        interval: (interval.lower, interval.upper),
        probability_female: face.probability_female,
        answered_female: face.gender() == Gender::Female,
    })
}

/// None for an image that was asked for by free text, or without an interval.
fn row(face: &estimator::FaceEstimate, image: StreamGeneratedFacesResponse) -> Option<Row> {
    let interval = face.interval.as_ref()?;
    let asked = image.attributes?;
    Some(Row {
        index: image.index,
        seed: image.seed,
        age: asked.age,
        female: asked.gender() == Gender::Female,
        race: asked.race,
        estimate: face.age,
        interval: (interval.lower, interval.upper),
        shifted: None,
        second: None,
        group: interval.group.clone(),
        probability_female: face.probability_female,
        answered_female: face.gender() == Gender::Female,
        faces: image.faces,
        image: STANDARD.encode(&image.image),
    })
}

fn unlabelled(face: &estimator::FaceEstimate) -> UnlabelledPrediction {
    UnlabelledPrediction { distribution: probabilities(face), ..Default::default() }
}

fn labelled(face: &estimator::FaceEstimate, age: u32) -> LabelledPrediction {
    LabelledPrediction {
        truth: f64::from(age),
        distribution: probabilities(face),
        ..Default::default()
    }
}

fn probabilities(face: &estimator::FaceEstimate) -> Vec<f32> {
    face.distribution.as_ref().map(|found| found.probabilities.clone()).unwrap_or_default()
}
