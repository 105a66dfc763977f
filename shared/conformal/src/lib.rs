//! The statistics of Agespan: split conformal prediction for ages.
//!
//! Pure `f64` arithmetic. Nothing here knows of networks, sockets or storage; a caller brings
//! predictions and true ages and takes away intervals with a coverage guarantee.
//!
//! The major components are:
//!
//! * [`Coverage`] and [`rank`]: a level as an exact ratio of integers, and which of the n sorted
//!   calibration scores is the threshold for it.
//!
//! * [`Prediction`] and [`AgeSupport`]: what a predictor says about one face, and the ages that
//!   are possible at all.
//!
//! * [`Score`]: how far a truth lies from a prediction, one file each in `score/`. A new score is
//!   a file with `of` and `interval` and a variant of the enum: the compiler then names the three
//!   matches that want an arm; `Score::ALL` is beside them.
//!
//! * [`Grouping`] and [`Group`]: the partition of the predictions inside which coverage holds
//!   separately (Mondrian conformal prediction), and the rule that merges small groups.
//!
//! * [`Calibration`]: the sorted scores per group, made by [`Fitting`]. Answers any level
//!   ([`AtLevel`]), and is itself the stable, versioned artifact (`calibration/artifact.rs`).
//!
//! * [`Document`]: a calibration with the model and split it was made from, named by its hash.
//!
//! * [`Marks`]: "at least T?", with a certified rate of wrong passes; [`GenderSets`]: which genders
//!   cannot be ruled out.
//!
//! * [`AdaptiveLevel`], [`Exchangeability`], [`Shifted`]: after deployment, when the faces change.
//!
//! * [`clopper_pearson`] and [`beta_coverage_bounds`]: how far an observed coverage may stray by
//!   chance.
//!
//! * [`CoverageTable`]: coverage and width of intervals on data they were not fitted on; and
//!   diagnostics of what it may hide: [`worst_slab`], [`size_stratified`], [`calibration_curve`].
//!
//! ```
//! use agespan_conformal::{
//!     AgeSupport, Calibration, CalibrationSpec, Coverage, Grouping, Prediction, Score,
//! };
//!
//! // Nine faces, each predicted as 30 and truly 31, 32, … 39 years old.
//! let rows = (1..=9).map(|error| {
//!     let prediction = Prediction::new(30.0, 4.0).expect("a possible age");
//!     (prediction, 30.0 + f64::from(error))
//! });
//! let spec = CalibrationSpec::new(Score::Absolute, Grouping::None);
//! let calibration = Calibration::fit(spec, AgeSupport::default(), rows)?;
//!
//! let prediction = Prediction::new(50.0, 4.0).expect("a possible age");
//! let interval = calibration.interval(&prediction, Coverage::DEFAULT);
//! assert!(interval.sufficient);
//! assert_eq!((interval.lower.round(), interval.upper.round()), (41.0, 59.0));
//! # Ok::<(), agespan_conformal::FitError>(())
//! ```

mod age_check;
mod binomial;
mod calibration;
mod diagnostics;
mod document;
mod evaluate;
mod gender_set;
mod group;
mod level;
mod prediction;
mod score;
mod shift;
mod support;

pub use age_check::{AgeCheckError, Decision, Marks, Person, YearRate, least_people};
pub use binomial::{beta_coverage_bounds, clopper_pearson};
pub use calibration::{
    ArtifactError, AtLevel, Bounds, CalibratedGroup, Calibration, CalibrationSpec, FORMAT,
    FitError, Fitting, GroupDiff, GroupSide, Interval, InvalidCalibration, RowError, diff,
};
pub use diagnostics::{Diagnosed, Slab, calibration_curve, size_stratified, worst_slab};
pub use document::{Document, DocumentError, DocumentFitting, Row};
pub use evaluate::{CoverageRow, CoverageTable, EvaluateError, Outcome};
pub use gender_set::{GenderSet, GenderSets};
pub use group::{Group, Grouping, MIN_GROUP, Slice, UnknownGrouping};
pub use level::{Coverage, LevelError, least_calibration_size, rank};
pub use prediction::{Part, Prediction, PredictionError};
pub use score::{SIGMA_OFFSET, Score, UnknownScore};
pub use shift::{
    AdaptiveLevel, DomainClassifier, Exchangeability, ShiftError, Shifted, ShiftedInterval,
};
pub use support::{AgeSupport, SupportError};
