//! What jobs are told.

use agespan_models::diffusion::{Sampling, SchedulerKind};
use agespan_storage::Artifact;
use serde::{Deserialize, Serialize};

use crate::draws::FaceCheck;
use crate::training::FineTuneSpec;
use crate::wording::Attributes;

/// The kind of the jobs that callers make.
pub const GENERATE_KIND: &str = "generate-faces";
/// The kind of the jobs that those are dealt out in.
pub const DRAW_KIND: &str = "draw-faces";

/// The kind of fine-tunings.
pub const TUNE_KIND: &str = "fine-tune-pipeline";

/// What a fine-tuning is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TuneJob {
    /// The pipeline's id.
    pub pipeline: String,
    /// "datasets/{id}".
    pub dataset: String,
    /// The most training faces; 0 for all.
    pub max_samples: usize,
    /// How.
    pub spec: FineTuneSpec,
}

/// Images to draw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GenerateJob {
    /// The pipeline's id.
    pub pipeline: String,
    /// What to draw.
    pub prompt: String,
    /// Where that was worded from attributes: these.
    pub attributes: Option<Attributes>,
    /// Instead of a prompt: what image after image is to show, and then from the first again.
    #[serde(default)]
    pub grid: Vec<Attributes>,
    /// What to keep away from.
    pub negative_prompt: String,
    /// How far to go from the negative prompt towards the prompt.
    pub guidance_scale: f64,
    /// Denoising steps, as asked for.
    pub steps: u32,
    /// diffusers' name of the scheduler.
    pub scheduler: String,
    /// DDIM's.
    pub eta: f64,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Of the first image.
    pub seed: u64,
    /// How many images.
    pub count: u32,
    /// Noise to begin with instead of the seed's.
    pub noise: Option<Artifact>,
    /// Whether every step's latents are kept.
    pub trace: bool,
    /// Steps that the scheduler makes of those asked for: the unit of progress.
    pub steps_made: u64,
    /// Whether the faces in its images are counted.
    #[serde(default)]
    pub face_check: FaceCheck,
}

impl GenerateJob {
    /// The prompt of an image, and the attributes that it was worded from.
    pub fn subject(&self, index: u32) -> (String, Option<Attributes>) {
        let cell = (index as usize).checked_rem(self.grid.len()).map(|cell| self.grid[cell]);
        match cell {
            Some(attributes) => (attributes.prompt(), Some(attributes)),
            None => (self.prompt.clone(), self.attributes),
        }
    }

    /// The seed of an image's first draw: it hangs on nothing but the job's and the index.
    pub fn seed_of(&self, index: u32) -> u64 {
        self.seed.wrapping_add(u64::from(index))
    }

    /// How its images are drawn. None when the scheduler is one of another version of this program.
    pub fn sampling(&self) -> Option<Sampling> {
        Some(Sampling {
            steps: self.steps as usize,
            guidance_scale: self.guidance_scale,
            eta: self.eta,
            width: i64::from(self.width),
            height: i64::from(self.height),
            scheduler: Some(scheduler(&self.scheduler)?),
        })
    }
}

/// A scheduler by diffusers' name.
pub(crate) fn scheduler(name: &str) -> Option<SchedulerKind> {
    SchedulerKind::ALL.into_iter().find(|kind| kind.class_name() == name)
}

/// Part of a generation job, drawn by one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// The id of the generation job.
    pub job: String,
    /// The first index.
    pub first: u32,
    /// How many images.
    pub count: u32,
}

/// How a job's images are dealt out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    count: u32,
    size: u32,
}

impl Plan {
    /// Shards of a few images, single ones when there are few: a shard that waits for its worker's
    /// death to be noticed should not hold up many images, and one image more or less in the last
    /// shard should not keep one worker busy while the others are idle. Beyond that a shard costs a
    /// round trip or two to Redis, which is little beside an image.
    pub fn new(count: u32) -> Self {
        Self { count, size: (count / 64).clamp(1, 16) }
    }

    /// How many shards there are.
    pub fn shards(self) -> u32 {
        self.count.div_ceil(self.size)
    }

    /// The shard of a number, from 0.
    pub fn shard(self, job: &str, number: u32) -> Shard {
        let first = number * self.size;
        Shard { job: job.to_owned(), first, count: self.size.min(self.count - first) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_hold_every_image_once() {
        for count in [1, 2, 24, 63, 64, 127, 200, 999, 1025, 100_000] {
            let plan = Plan::new(count);
            let shards = (0..plan.shards()).map(|number| plan.shard("job", number));
            let dealt: Vec<u32> =
                shards.flat_map(|shard| shard.first..shard.first + shard.count).collect();
            assert_eq!(dealt, (0..count).collect::<Vec<_>>());
        }
        assert_eq!(Plan::new(24).shards(), 24);
        assert_eq!(Plan::new(100_000).shards(), 6250);
    }
}
