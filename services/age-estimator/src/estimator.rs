//! One photo's way: decode, model, calibration.

use std::pin::pin;
use std::sync::Arc;

use agespan_conformal::{
    AdaptiveLevel, AgeCheckError, Coverage, GenderSet, Interval, Marks, Prediction, PredictionError,
};
use agespan_imaging::ImagingError;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};

use crate::calibrations::Active;
use crate::decoder::Decoded;
use crate::engine::{Admission, EngineError, MAX_BATCH, Output};
use crate::model::{LoadError, Loaded, Models};
use crate::{Calibrations, Decoder};

/// How photos are to be estimated.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Share of true ages that shall be inside the interval.
    pub coverage: Coverage,
    /// What happens when the model is busy.
    pub admission: Admission,
}

/// A model and the calibration that belongs to it, taken together once for a request, so that no
/// answer mixes two.
#[derive(Clone, Debug)]
pub struct Session {
    /// The model.
    pub model: Arc<Loaded>,
    /// Its active calibration, if it has one.
    pub calibration: Option<Arc<Active>>,
}

/// What is said of a face.
#[derive(Clone, Debug)]
pub struct FaceEstimate {
    /// Width of the upright photo in pixels.
    pub width: u32,
    /// Its height in pixels.
    pub height: u32,
    /// Mean of the distribution over ages, in years, and its standard deviation.
    pub prediction: Prediction,
    /// The calibrated interval; none without a calibration.
    pub interval: Option<Interval>,
    /// Probability of "female".
    pub probability_female: f64,
    /// Whether that reaches the model's threshold.
    pub female: bool,
    /// The genders that cannot be ruled out; none without a calibration.
    pub gender_set: Option<GenderSet>,
    /// Probabilities of the ages in completed years.
    pub distribution: Vec<f32>,
}

/// Why a photo was not estimated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EstimateError {
    /// The photo cannot be used.
    #[error(transparent)]
    Image(#[from] ImagingError),
    /// The model did not answer.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The model's answer is no distribution: its weights are broken.
    #[error("the model's answer is no distribution over ages")]
    Prediction(#[from] PredictionError),
}

/// Why an age cannot be checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// Nothing certifies it.
    #[error("{0} has no active calibration; calibrate it first")]
    NotCalibrated(String),
    /// Too few people certify it.
    #[error(transparent)]
    Marks(#[from] AgeCheckError),
}

/// Answers requests.
#[derive(Debug)]
pub struct Estimator {
    models: Models,
    calibrations: Calibrations,
    decoder: Decoder,
}

impl Estimator {
    /// Out of its parts.
    pub fn new(models: Models, calibrations: Calibrations, decoder: Decoder) -> Self {
        Self { models, calibrations, decoder }
    }

    /// The loaded models.
    pub fn models(&self) -> &Models {
        &self.models
    }

    /// The model of this id, or the active one, with its calibration.
    ///
    /// # Errors
    /// When there is no such model.
    pub async fn session(&self, model: Option<&str>) -> Result<Session, LoadError> {
        let model = match model {
            Some(id) => self.models.get(id).await?,
            None => self.models.active()?,
        };
        let calibration = self.calibrations.get(&format!("models/{}", model.record.id));
        Ok(Session { model, calibration })
    }

    /// Estimates the age of the face in a photo.
    ///
    /// # Errors
    /// When the photo cannot be used or the model is busy.
    pub async fn estimate(
        &self,
        session: &Session,
        image: Bytes,
        options: Options,
    ) -> Result<FaceEstimate, EstimateError> {
        let engine = &session.model.engine;
        let photo = self.decoder.decode(image, engine.input()).await?;
        let output = engine.estimate(photo.pixels, options.admission).await?;
        session.judge((photo.width, photo.height), output, options.coverage)
    }

    /// Estimates several, waiting while the model is busy. The same photos give the same bytes. A
    /// photo that cannot be used does not spoil the others.
    pub async fn estimate_all(
        &self,
        session: &Session,
        images: Vec<Bytes>,
        coverage: Coverage,
    ) -> Vec<Result<FaceEstimate, EstimateError>> {
        let engine = &session.model.engine;
        let decoded = stream::iter(images)
            .map(|image| self.decoder.decode(image, engine.input()))
            .buffered(MAX_BATCH);
        let mut batches = pin!(decoded.chunks(MAX_BATCH));
        let mut answers = Vec::new();
        while let Some(batch) = batches.next().await {
            answers.extend(estimate_batch(session, batch, coverage).await);
        }
        answers
    }
}

async fn estimate_batch(
    session: &Session,
    batch: Vec<Result<Decoded, ImagingError>>,
    coverage: Coverage,
) -> Vec<Result<FaceEstimate, EstimateError>> {
    let (mut faces, mut photos) = (Vec::new(), Vec::new());
    for photo in batch {
        photos.push(photo.map(|photo| {
            faces.push(photo.pixels);
            (photo.width, photo.height)
        }));
    }
    let mut outputs = match faces.is_empty() {
        true => Ok(Vec::new().into_iter()),
        false => session.model.engine.estimate_batch(faces).await.map(Vec::into_iter),
    };
    let mut answer = |photo: Result<(u32, u32), ImagingError>| {
        let size = photo?;
        let output = match &mut outputs {
            Ok(outputs) => outputs.next().ok_or(EngineError::Failed)?,
            Err(error) => return Err(error.clone().into()),
        };
        session.judge(size, output, coverage)
    };
    photos.into_iter().map(&mut answer).collect()
}

impl Session {
    /// The coverage to answer a stream at: its adaptive one, where outcomes were reported for it.
    pub fn coverage(&self, stream: &str, asked: Coverage) -> Coverage {
        let levels = self.calibration.as_ref().map(|active| &active.levels);
        let level = levels.and_then(|levels| levels.get(stream));
        level.map_or(asked, |&miscoverage| AdaptiveLevel::level_at(miscoverage))
    }

    /// Where estimates are divided for "at least `age`?" at this rate of wrong answers.
    ///
    /// # Errors
    /// When the model has no calibration, or one of too few people.
    pub fn marks(&self, age: u32, rate: Coverage) -> Result<Marks, CheckError> {
        let calibration = self
            .calibration
            .as_ref()
            .ok_or_else(|| CheckError::NotCalibrated(format!("models/{}", self.model.record.id)))?;
        Ok(Marks::new(&calibration.document.people, age, rate)?)
    }

    /// What the model's answer means by the active calibration.
    fn judge(
        &self,
        (width, height): (u32, u32),
        output: Output,
        coverage: Coverage,
    ) -> Result<FaceEstimate, EstimateError> {
        let Output { distribution, probability_female } = output;
        let probabilities: Vec<f64> = distribution.iter().map(|&p| f64::from(p)).collect();
        let female = probability_female >= self.model.record.card.validation.gender_threshold;
        let prediction = Prediction::from_distribution(&probabilities)?.with_gender(female);
        let document = self.calibration.as_ref().map(|active| &active.document);
        let interval =
            document.map(|document| document.calibration.interval(&prediction, coverage));
        let gender_set =
            document.map(|document| document.genders.set(probability_female, coverage));
        Ok(FaceEstimate {
            width,
            height,
            prediction,
            interval,
            probability_female,
            female,
            gender_set,
            distribution,
        })
    }
}
