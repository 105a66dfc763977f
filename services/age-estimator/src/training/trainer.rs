//! The run, from top to bottom.

use std::time::Instant;

use agespan_models::average::{self, Named, copies, shared};
use agespan_models::tch::nn::VarStore;
use agespan_models::tch::{self, Device, TchError, Tensor};
use agespan_models::{
    AdamW, AgeNet, CheckpointError, FusedError, Learning, WeightsError, label_distribution, weights,
};

use super::augment::generator;
use super::batch::{Batch, epoch_order, training_batch};
use super::checkpoint::{Checkpoint, Position};
use super::distil::{Teacher, Teachers};
use super::faces::Face;
use super::history::{EpochFigures, Running};
use super::loss::{Labels, loss};
use super::mixup::Mix;
use super::schedule::Schedule;
use super::spec::TrainSpec;
use super::validate::{Validation, validate};

/// Where a run begins.
pub enum Start<'a> {
    /// With a backbone's weights as a safetensors file, and new heads.
    Backbone(&'a [u8]),
    /// With the weights of a model of the same shape, whatever its input was.
    Model(&'a [u8]),
    /// With nothing but the seed. For tests.
    Nothing,
    /// Where another run of the same settings was put down.
    Checkpoint(&'a [u8]),
}

/// What a run tells of itself.
#[derive(Debug)]
pub enum Event<'a> {
    /// A step was done.
    Step {
        /// Steps done, of `steps`.
        step: u64,
        /// Steps in all.
        steps: u64,
        /// The epoch, from 0.
        epoch: u32,
        /// Loss of the step.
        loss: f64,
        /// Learning rate of the step.
        learning_rate: f64,
        /// Speed of the step.
        images_per_second: f64,
    },
    /// An epoch ended.
    Epoch {
        /// The epoch, from 0.
        epoch: u32,
        /// Steps done.
        step: u64,
        /// Its figures.
        figures: &'a EpochFigures,
    },
    /// The run can be taken up again from these bytes.
    Checkpoint(Vec<u8>),
}

/// Whether a run goes on after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It does.
    GoOn,
    /// It ends now.
    Stop,
}

/// What a run made.
#[derive(Debug)]
pub struct Trained {
    /// The best epoch's weights as a safetensors file.
    pub weights: Vec<u8>,
    /// The best epoch's figures.
    pub best: Validation,
    /// All epochs' figures.
    pub history: Vec<EpochFigures>,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// Too few faces for one step, or none to validate on.
    #[error("{faces} training and {validation} validation faces are too few; a step takes {batch}")]
    TooFew {
        /// Training faces.
        faces: usize,
        /// Validation faces.
        validation: usize,
        /// Faces of a step.
        batch: usize,
    },
    /// The loss is no number any more.
    #[error("the loss of step {step} is not finite; train with a lower learning rate")]
    Diverged {
        /// The step.
        step: u64,
    },
    /// Other teachers than the settings name.
    #[error("the settings name {named} teachers and {given} were given; give each that is named")]
    Teachers {
        /// In the settings.
        named: usize,
        /// Given.
        given: usize,
    },
    /// A teacher of another number of age bins.
    #[error("a teacher has {found} age bins where the model has {expected}; choose another")]
    TeacherBins {
        /// The teacher's.
        found: i64,
        /// The model's.
        expected: i64,
    },
    /// libtorch cannot ask a teacher.
    #[error("a teacher cannot answer")]
    Teacher(#[from] FusedError),
    /// libtorch cannot move the weights.
    #[error("a step of the optimiser failed")]
    Step(#[from] TchError),
    /// Mixing with labels that cannot be mixed.
    #[error("faces whose age is a range or whose gender is unknown cannot be mixed; train without")]
    Mixing,
    /// It was told to stop.
    #[error("the run was stopped")]
    Stopped,
    /// The start or the outcome cannot be read or written.
    #[error("the weights cannot be used")]
    Weights(#[from] WeightsError),
    /// The checkpoint cannot be used.
    #[error("the checkpoint cannot be used")]
    Checkpoint(#[from] CheckpointError),
}

/// Trains a network, choosing the epoch with the lowest validation error.
///
/// The same settings, faces, start and teachers give the same weights on the same processor, whether
/// the run was interrupted or not.
///
/// # Errors
/// A [`TrainError`]; the last checkpoint that was told stays good.
pub fn train(
    spec: &TrainSpec,
    faces: &[Face],
    validation: &[Face],
    start: Start,
    teachers: &[Teacher],
    observe: &mut dyn FnMut(Event) -> Next,
) -> Result<Trained, TrainError> {
    let steps_per_epoch = (faces.len() / spec.batch_size.max(1)) as u64;
    if steps_per_epoch == 0 || validation.is_empty() {
        let (faces, validation) = (faces.len(), validation.len());
        return Err(TrainError::TooFew { faces, validation, batch: spec.batch_size });
    }
    if spec.mixup > 0.0 && !faces.iter().all(Face::is_fully_labelled) {
        return Err(TrainError::Mixing);
    }
    let mut run = Run::begin(spec, start, teachers)?;
    let schedule = Schedule {
        head_steps: steps_per_epoch * u64::from(spec.head_epochs),
        steps: steps_per_epoch * u64::from(spec.epochs),
    };

    while run.position.step < schedule.steps && !run.is_stale() {
        let epoch = (run.position.step / steps_per_epoch) as u32;
        let order = epoch_order(spec, faces, epoch);
        for index in run.position.step % steps_per_epoch..steps_per_epoch {
            let clock = Instant::now();
            let first = index as usize * spec.batch_size;
            let chosen = &order[first..first + spec.batch_size];
            let batch = training_batch(spec, faces, chosen, epoch);
            let loss = run.step(&batch, mix(spec, epoch, first).as_ref(), schedule)?;
            let event = Event::Step {
                step: run.position.step,
                steps: schedule.steps,
                epoch,
                loss,
                learning_rate: schedule.rate(run.position.step - 1, spec.learning_rate),
                images_per_second: spec.batch_size as f64 / clock.elapsed().as_secs_f64(),
            };
            go_on(observe(event))?;
            if run.position.step.is_multiple_of(u64::from(spec.checkpoint_steps.max(1)))
                && index + 1 < steps_per_epoch
            {
                go_on(observe(Event::Checkpoint(run.checkpoint()?)))?;
            }
        }
        let figures = run.end_epoch(validation);
        go_on(observe(Event::Epoch { epoch, step: run.position.step, figures: &figures }))?;
        go_on(observe(Event::Checkpoint(run.checkpoint()?)))?;
    }
    run.finish()
}

fn go_on(next: Next) -> Result<(), TrainError> {
    match next {
        Next::GoOn => Ok(()),
        Next::Stop => Err(TrainError::Stopped),
    }
}

/// How the faces of a step are mixed. Faces have the lowest numbers and an epoch's order the highest,
/// so that nobody else draws from this generator.
fn mix(spec: &TrainSpec, epoch: u32, first: usize) -> Option<Mix> {
    let mut random = generator(spec.seed, epoch, usize::MAX - 1 - first);
    (spec.mixup > 0.0).then(|| Mix::draw(spec.mixup, spec.batch_size, &mut random))
}

struct Run {
    store: VarStore,
    net: AgeNet,
    optimiser: AdamW,
    teachers: Teachers,
    /// `[bins, bins]`: the label distribution of each age.
    targets: Tensor,
    /// The average of the weights over the steps; empty when none is kept.
    average: Named,
    best: Named,
    position: Position,
}

impl Run {
    fn begin(spec: &TrainSpec, start: Start, teachers: &[Teacher]) -> Result<Self, TrainError> {
        let teachers = Teachers::load(spec, teachers)?;
        tch::manual_seed(spec.seed as i64);
        let store = VarStore::new(Device::Cpu);
        let net = AgeNet::new(&store.root(), spec.net);
        let mut run = Self {
            net,
            optimiser: AdamW::new(spec.weight_decay),
            teachers,
            targets: label_distribution::targets(spec.net.age_bins, spec.label_width),
            average: Vec::new(),
            best: Vec::new(),
            position: Position {
                spec: spec.clone(),
                step: 0,
                history: Vec::new(),
                running: Running::default(),
            },
            store,
        };
        match start {
            Start::Nothing => {}
            Start::Backbone(bytes) => weights::load_below(&run.store, "features.", bytes)?,
            Start::Model(bytes) => weights::load(&run.store, bytes)?,
            Start::Checkpoint(bytes) => run.restore(Checkpoint::from_bytes(bytes, spec)?)?,
        }
        Ok(run)
    }

    fn restore(&mut self, checkpoint: Checkpoint) -> Result<(), TrainError> {
        weights::load(&self.store, &weights::write(&checkpoint.net)?)?;
        self.optimiser.restore(checkpoint.optimiser);
        self.average = checkpoint.average;
        self.best = checkpoint.best;
        self.position = checkpoint.position;
        Ok(())
    }

    fn checkpoint(&self) -> Result<Vec<u8>, TrainError> {
        let checkpoint = Checkpoint {
            position: self.position.clone(),
            net: weights::variables(&self.store),
            optimiser: self.optimiser.state(),
            average: shared(&self.average),
            best: shared(&self.best),
        };
        Ok(checkpoint.to_bytes()?)
    }

    fn step(
        &mut self,
        batch: &Batch,
        mix: Option<&Mix>,
        schedule: Schedule,
    ) -> Result<f64, TrainError> {
        let spec = &self.position.spec;
        let step = self.position.step;
        let learning = match step {
            step if step < schedule.head_steps => Learning::Heads,
            _ if spec.freeze_batch_norm => Learning::AllButStatistics,
            _ => Learning::All,
        };
        let mut images = batch.images.shallow_clone();
        let mut labels = Labels::of(batch, &self.targets);
        if let Some(mix) = mix {
            (images, labels) = (mix.of_images(&images), labels.mixed(mix));
        }
        let taught = self.teachers.answer(&images, &spec.input)?;
        // Dropout draws from torch's own generator: seeded anew, a resumed run draws the same.
        tch::manual_seed(spec.seed.wrapping_mul(1_000_003).wrapping_add(step) as i64);
        let output = self.net.forward(&images.to_kind(spec.precision.kind()), learning);
        let loss = loss(spec, &output, &labels, taught.as_ref());
        let value = loss.double_value(&[]);
        if !value.is_finite() {
            return Err(TrainError::Diverged { step });
        }
        loss.backward();
        let mut variables = weights::variables(&self.store);
        variables.retain(|(_, variable)| variable.requires_grad());
        self.optimiser.step(&mut variables, schedule.rate(step, spec.learning_rate))?;
        self.follow();
        self.position.step += 1;
        self.position.running.add(value);
        Ok(value)
    }

    /// Moves the average towards the weights, where one is kept.
    fn follow(&mut self) {
        let decay = self.position.spec.average;
        if decay <= 0.0 {
            return;
        }
        let variables = weights::variables(&self.store);
        if self.average.is_empty() {
            self.average = copies(&variables);
        } else {
            average::follow(&mut self.average, &variables, decay, self.position.step);
        }
    }

    /// Swaps the weights with their average, where there is one.
    fn swap(&mut self) {
        average::swap(&mut self.average, &mut weights::variables(&self.store));
    }

    fn end_epoch(&mut self, faces: &[Face]) -> EpochFigures {
        self.swap();
        let figures = self.judge(faces);
        self.swap();
        figures
    }

    fn judge(&mut self, faces: &[Face]) -> EpochFigures {
        let validation = validate(&self.net, &self.position.spec, faces);
        let figures = EpochFigures { loss: self.position.running.take(), validation };
        let history = &mut self.position.history;
        let mae = figures.validation.mae;
        if history.iter().all(|earlier| mae < earlier.validation.mae) {
            self.best = copies(&weights::variables(&self.store));
        }
        history.push(figures.clone());
        figures
    }

    /// Whether the validation error has not fallen for as long as the patience.
    fn is_stale(&self) -> bool {
        let since = self.best_epoch().map_or(0, |best| self.position.history.len() - 1 - best);
        since >= self.position.spec.patience as usize
    }

    fn best_epoch(&self) -> Option<usize> {
        let history = &self.position.history;
        let mae = |&epoch: &usize| history[epoch].validation.mae;
        (0..history.len()).min_by(|left, right| mae(left).total_cmp(&mae(right)))
    }

    fn finish(self) -> Result<Trained, TrainError> {
        let best = self.best_epoch().ok_or(TrainError::Stopped)?;
        Ok(Trained {
            weights: weights::write(&self.best)?,
            best: self.position.history[best].validation.clone(),
            history: self.position.history,
        })
    }
}
