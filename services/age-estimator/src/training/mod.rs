//! Training: faces in memory to weights, as one flat loop that can be put down and taken up.
//!
//! * [`TrainSpec`]: the settings.
//! * [`Face`]: a labelled face.
//! * [`train`]: the run; it tells [`Event`]s, checkpoints among them, and is told whether to go on.
//! * [`Validation`]: the figures of an epoch.
//! * [`Teacher`]: a model to learn from, beside the labels.
//!
//! Inside: the learning rate (`schedule`), random changes of a face (`augment`), tensors of a step
//! (`batch`), faces mixed with others (`mixup`), what is made small (`loss`), the file of an
//! interrupted run (`checkpoint`).

mod augment;
mod batch;
mod checkpoint;
mod distil;
mod faces;
mod loss;
mod mixup;
mod schedule;
mod spec;
mod trainer;
mod validate;

pub use checkpoint::CheckpointError;
pub use distil::Teacher;
pub use faces::Face;
pub use spec::{Augmentation, Distillation, Rebalance, TrainSpec};
pub use trainer::{Event, Next, Start, TrainError, Trained, train};
pub use validate::Validation;
