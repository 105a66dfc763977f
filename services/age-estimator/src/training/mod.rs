//! Training: faces in memory to weights, as one flat loop that can be put down and taken up.
//!
//! * [`TrainSpec`]: the settings.
//! * [`Face`]: a labelled face.
//! * [`train`]: the run; it tells [`Event`]s, checkpoints among them, and is told whether to go on.
//! * [`EpochFigures`], [`Validation`]: the figures of an epoch.
//! * [`events`], [`page`]: the figures of a run for TensorBoard, and as a page with plots.
//! * [`Teacher`]: a model to learn from, beside the labels.
//!
//! Inside: the learning rate (`schedule`), random changes of a face (`augment`), tensors of a step
//! (`batch`), faces mixed with others (`mixup`), what is made small (`loss`), faces of which less is
//! known (`censored`), the file of an interrupted run (`checkpoint`).

mod augment;
mod batch;
mod censored;
mod checkpoint;
mod distil;
pub mod events;
mod faces;
mod history;
mod loss;
mod mixup;
pub mod page;
mod schedule;
mod spec;
mod trainer;
mod validate;

pub use agespan_models::CheckpointError;
pub use distil::Teacher;
pub use faces::{AgeLabel, Face};
pub use history::EpochFigures;
pub use spec::{Augmentation, Distillation, Rebalance, TrainSpec};
pub use trainer::{Event, Next, Start, TrainError, Trained, train};
pub use validate::Validation;
