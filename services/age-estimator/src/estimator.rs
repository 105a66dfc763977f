//! One photo's way: decode, faces, model, calibration.

use std::sync::Arc;

use agespan_conformal::{
    AdaptiveLevel, AgeCheckError, Coverage, GenderSet, Interval, Marks, Prediction, PredictionError,
};
use agespan_service::Caller;
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};

use crate::Calibrations;
use crate::calibrations::Active;
use crate::engine::{EngineError, MAX_BATCH, Output};
use crate::faces::{Crop, FaceError, Faces, Found, Place, Seen, Wanted};
use crate::memory::{Answer, Memory};
use crate::model::{LoadError, Loaded, Models};
use crate::queue::{Admission, Busy, FairQueue};

/// How photos are to be estimated.
#[derive(Clone, Debug)]
pub struct Options {
    /// Share of true ages that shall be inside the interval.
    pub coverage: Coverage,
    /// Which faces of each.
    pub wanted: Wanted,
    /// For whom.
    pub caller: Caller,
    /// What happens when the line is full.
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

/// What is said of a photo.
#[derive(Clone, Debug)]
pub struct PhotoEstimate {
    /// Its faces, the largest first; at least one.
    pub faces: Vec<FaceEstimate>,
    /// Faces that are not good enough for the request.
    pub refused: Vec<Found>,
    /// How many faces there are in all.
    pub count: usize,
}

/// What is said of a face.
#[derive(Clone, Debug)]
pub struct FaceEstimate {
    /// Where it is.
    pub place: Place,
    /// What the detector says of it; nothing when the whole photo was taken for a face.
    pub found: Option<Found>,
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
    /// There is no face to estimate.
    #[error(transparent)]
    Face(#[from] FaceError),
    /// There is no room for the request.
    #[error(transparent)]
    Busy(#[from] Busy),
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
    faces: Faces,
    queue: FairQueue,
    memory: Memory,
}

impl Estimator {
    /// Out of its parts.
    pub fn new(
        models: Models,
        calibrations: Calibrations,
        faces: Faces,
        queue: FairQueue,
        memory: Memory,
    ) -> Self {
        Self { models, calibrations, faces, queue, memory }
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

    /// Estimates the ages of the faces in a photo.
    ///
    /// # Errors
    /// When the photo cannot be used, has no face that is wanted, or the model is busy.
    pub async fn estimate(
        &self,
        session: &Session,
        image: Bytes,
        options: &Options,
    ) -> Result<PhotoEstimate, EstimateError> {
        let question = self.memory.question(&session.model.record.id, &image, &options.wanted);
        let answer = match self.memory.recall(question.as_ref()) {
            Some(answer) => answer,
            None => {
                let answer = self.look(session, image, options).await?;
                self.memory.keep(question, &answer);
                answer
            }
        };
        session.judge_all(answer.seen, &mut answer.outputs.into_iter(), options.coverage)
    }

    /// What the model says of a photo.
    async fn look(
        &self,
        session: &Session,
        image: Bytes,
        options: &Options,
    ) -> Result<Answer, EstimateError> {
        let engine = &session.model.engine;
        let _place = self.queue.enter(&options.caller, 1, options.admission).await?;
        let mut seen = self.faces.look(image, engine.input(), &options.wanted).await?;
        let mut pixels = pixels(&mut seen);
        let outputs = match (pixels.pop(), pixels.is_empty()) {
            // One face goes with those of others, several stay together.
            (Some(face), true) => vec![engine.estimate(face).await?],
            (last, _) => {
                pixels.extend(last);
                engine.estimate_batch(pixels).await?
            }
        };
        Ok(Answer { seen, outputs })
    }

    /// Estimates several, waiting while the model is busy. The same photos give the same bytes. A
    /// photo that cannot be used does not spoil the others.
    pub async fn estimate_all(
        &self,
        session: &Session,
        images: &[Bytes],
        options: &Options,
    ) -> Vec<Result<PhotoEstimate, EstimateError>> {
        let batches = images.chunks(MAX_BATCH);
        let batches: Vec<_> =
            batches.map(|batch| self.estimate_batch(session, batch, options)).collect();
        // While the model looks at one batch the next is decoded.
        let answers = stream::iter(batches).buffered(2);
        answers.flat_map(stream::iter).collect().await
    }

    async fn estimate_batch(
        &self,
        session: &Session,
        images: &[Bytes],
        options: &Options,
    ) -> Vec<Result<PhotoEstimate, EstimateError>> {
        let engine = &session.model.engine;
        let place = self.queue.enter(&options.caller, images.len(), Admission::Wait).await;
        let _place = match place {
            Ok(place) => place,
            Err(busy) => return images.iter().map(|_| Err(busy.into())).collect(),
        };
        let looks: Vec<_> = images
            .iter()
            .map(|image| self.faces.look(image.clone(), engine.input(), &options.wanted))
            .collect();
        let mut seen = join_all(looks).await;
        let outputs = engine.estimate_batch(seen.iter_mut().flatten().flat_map(pixels).collect());
        let mut outputs = outputs.await.map(Vec::into_iter);
        let mut answer = |seen: Result<Seen, FaceError>| match &mut outputs {
            Ok(outputs) => session.judge_all(seen?, outputs, options.coverage),
            Err(error) => seen.map_err(EstimateError::from).and(Err(error.clone().into())),
        };
        seen.into_iter().map(&mut answer).collect()
    }
}

/// What the model is to look at.
fn pixels(seen: &mut Seen) -> Vec<Vec<u8>> {
    seen.crops.iter_mut().map(|crop| std::mem::take(&mut crop.pixels)).collect()
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

    /// What the model's next answers mean for the faces of a photo.
    fn judge_all(
        &self,
        seen: Seen,
        outputs: &mut impl Iterator<Item = Output>,
        coverage: Coverage,
    ) -> Result<PhotoEstimate, EstimateError> {
        let Seen { crops, refused, count } = seen;
        let mut judge =
            |crop| self.judge(crop, outputs.next().ok_or(EngineError::Failed)?, coverage);
        let faces = crops.into_iter().map(&mut judge).collect::<Result<_, _>>()?;
        Ok(PhotoEstimate { faces, refused, count })
    }

    /// What the model's answer means by the active calibration.
    fn judge(
        &self,
        Crop { place, found, .. }: Crop,
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
            place,
            found,
            prediction,
            interval,
            probability_female,
            female,
            gender_set,
            distribution,
        })
    }
}
