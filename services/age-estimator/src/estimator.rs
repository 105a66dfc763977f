//! One photo's way: decode, model, calibration.

use std::sync::Arc;

use agespan_conformal::{Coverage, Interval, Prediction, PredictionError};
use agespan_imaging::ImagingError;
use bytes::Bytes;

use crate::calibrations::Active;
use crate::decoder::Decoded;
use crate::engine::{Admission, EngineError, Output};
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
        let Decoded { width, height, pixels } = self.decoder.decode(image, engine.input()).await?;
        let Output { distribution, probability_female } =
            engine.estimate(pixels, options.admission).await?;
        let probabilities: Vec<f64> = distribution.iter().map(|&p| f64::from(p)).collect();
        let prediction = Prediction::from_distribution(&probabilities)?;
        let interval = session.calibration.as_ref().map(|calibration| {
            calibration.document.calibration.interval(&prediction, options.coverage)
        });
        let threshold = session.model.record.card.validation.gender_threshold;
        Ok(FaceEstimate {
            width,
            height,
            prediction,
            interval,
            probability_female,
            female: probability_female >= threshold,
            distribution,
        })
    }
}
