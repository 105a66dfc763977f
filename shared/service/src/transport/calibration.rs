//! How calibrations are made, in the protocol's words.

use agespan_conformal::{Grouping, Prediction, PredictionError, Score};
use agespan_proto::age::v1::Gender;
use agespan_proto::calibrator::v1 as proto;
use agespan_proto::estimator::v1::FaceEstimate;

/// A score as the protocol has it.
pub fn score_to_proto(score: Score) -> proto::Score {
    match score {
        Score::Absolute => proto::Score::Absolute,
        Score::SquareRoot => proto::Score::SquareRoot,
        Score::Sigma => proto::Score::Sigma,
        Score::Quantile => proto::Score::Quantile,
        Score::ShortestWindow => proto::Score::ShortestWindow,
    }
}

/// A grouping as the protocol has it.
pub fn grouping_to_proto(grouping: Grouping) -> proto::Grouping {
    match grouping {
        Grouping::None => proto::Grouping::None,
        Grouping::PredictedDecade => proto::Grouping::PredictedDecade,
        Grouping::PredictedGender => proto::Grouping::PredictedGender,
        Grouping::PredictedDecadeAndGender => proto::Grouping::PredictedDecadeAndGender,
        Grouping::TrueDecade => proto::Grouping::TrueDecade,
        Grouping::Label => proto::Grouping::Label,
    }
}

/// The prediction in an estimate that was asked for with its distribution.
///
/// # Errors
/// When the distribution is missing or is none.
pub fn prediction_from_proto(face: &FaceEstimate) -> Result<Prediction, PredictionError> {
    let probabilities = face.distribution.iter().flat_map(|all| &all.probabilities);
    let probabilities: Vec<f64> = probabilities.map(|&p| f64::from(p)).collect();
    Ok(Prediction::from_distribution(&probabilities)?.with_gender(face.gender() == Gender::Female))
}
