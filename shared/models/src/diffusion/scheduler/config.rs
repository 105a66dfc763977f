//! The `scheduler_config.json` of a pipeline.

use serde_json::Value;

use super::ddim::Ddim;
use super::ddpm::Ddpm;
use super::dpm_solver_multistep::DpmSolverMultistep;
use super::euler::Euler;
use super::euler_ancestral::EulerAncestral;
use super::lcm::Lcm;
use super::pndm::Pndm;
use super::uni_pc::UniPc;
use super::{NoiseSchedule, Prediction, Scheduler};
use crate::diffusion::fields::Fields;
use crate::diffusion::{DiffusionError, RawConfig};

/// The schedulers, by their papers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SchedulerKind {
    /// Ho et al. 2020.
    Ddpm,
    /// Song et al. 2020.
    Ddim,
    /// Liu et al. 2022.
    Pndm,
    /// Karras et al. 2022, Euler steps.
    Euler,
    /// Euler steps with fresh noise at each.
    EulerAncestral,
    /// Lu et al. 2022, DPM-Solver++ over several steps.
    DpmSolverMultistep,
    /// Zhao et al. 2023.
    UniPc,
    /// Luo et al. 2023, for networks distilled to a few steps.
    Lcm,
}

impl SchedulerKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Ddpm,
        Self::Ddim,
        Self::Pndm,
        Self::Euler,
        Self::EulerAncestral,
        Self::DpmSolverMultistep,
        Self::UniPc,
        Self::Lcm,
    ];

    /// What diffusers calls it.
    pub fn class_name(self) -> &'static str {
        match self {
            Self::Ddpm => "DDPMScheduler",
            Self::Ddim => "DDIMScheduler",
            Self::Pndm => "PNDMScheduler",
            Self::Euler => "EulerDiscreteScheduler",
            Self::EulerAncestral => "EulerAncestralDiscreteScheduler",
            Self::DpmSolverMultistep => "DPMSolverMultistepScheduler",
            Self::UniPc => "UniPCMultistepScheduler",
            Self::Lcm => "LCMScheduler",
        }
    }
}

/// A scheduler and the fields of its file.
#[derive(Clone, Debug, PartialEq)]
pub struct SchedulerConfig {
    kind: SchedulerKind,
    raw: RawConfig,
}

impl SchedulerConfig {
    /// Reads the fields of a `scheduler_config.json`, `_class_name` among them.
    pub fn new(raw: RawConfig) -> Result<Self, DiffusionError> {
        let names = SchedulerKind::ALL.map(|kind| (kind.class_name(), Some(kind)));
        // The first is the default, and there is none.
        let choices: Vec<_> = std::iter::once(("", None)).chain(names).collect();
        let fields = Fields::new("the scheduler's configuration", &raw);
        let refused = || fields.refuse("_class_name", "a scheduler's name is");
        let kind = fields.choice("_class_name", &choices)?.ok_or_else(refused)?;
        let config = Self { kind, raw };
        // What cannot be honoured is said when the file is read, not at the first image.
        config.start(1, 0.0)?;
        Ok(config)
    }

    /// The scheduler.
    pub fn kind(&self) -> SchedulerKind {
        self.kind
    }

    /// The file's fields.
    pub fn raw(&self) -> &RawConfig {
        &self.raw
    }

    /// Another scheduler over the same fields, as diffusers' `from_config` makes it: fields that
    /// the file lacks have the new scheduler's defaults.
    pub fn with_kind(&self, kind: SchedulerKind) -> Result<Self, DiffusionError> {
        let mut raw = self.raw.clone();
        raw.insert("_class_name".to_owned(), Value::from(kind.class_name()));
        Self::new(raw)
    }

    /// Begins a run of `steps` steps. `eta` is DDIM's: 0 adds no noise on the way, 1 as much as
    /// DDPM; the others have none.
    pub fn start(&self, steps: usize, eta: f64) -> Result<Box<dyn Scheduler>, DiffusionError> {
        let allowed = if self.kind == SchedulerKind::Ddim { 1.0 } else { 0.0 };
        if !(0.0..=allowed).contains(&eta) {
            return Err(DiffusionError::Eta { value: eta });
        }
        let fields = &self.fields();
        Ok(match self.kind {
            SchedulerKind::Ddpm => Box::new(Ddpm::new(fields, steps)?),
            SchedulerKind::Ddim => Box::new(Ddim::new(fields, steps, eta)?),
            SchedulerKind::Pndm => Box::new(Pndm::new(fields, steps)?),
            SchedulerKind::Euler => Box::new(Euler::new(fields, steps)?),
            SchedulerKind::EulerAncestral => Box::new(EulerAncestral::new(fields, steps)?),
            SchedulerKind::DpmSolverMultistep => Box::new(DpmSolverMultistep::new(fields, steps)?),
            SchedulerKind::UniPc => Box::new(UniPc::new(fields, steps)?),
            SchedulerKind::Lcm => Box::new(Lcm::new(fields, steps)?),
        })
    }

    /// The noise of each timestep in training.
    pub fn noise_schedule(&self) -> Result<NoiseSchedule, DiffusionError> {
        match self.kind {
            SchedulerKind::Lcm => NoiseSchedule::of_latents(&self.fields()),
            _ => NoiseSchedule::new(&self.fields()),
        }
    }

    /// What the network predicts.
    pub fn prediction(&self) -> Result<Prediction, DiffusionError> {
        Prediction::new(&self.fields())
    }

    fn fields(&self) -> Fields<'_> {
        Fields::new("the scheduler's configuration", &self.raw)
    }
}
