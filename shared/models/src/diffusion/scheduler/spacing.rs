//! Which timesteps of the training a run visits (Lin et al. 2023, arXiv 2305.08891, table 2).
//!
//! Halves are rounded to even, as NumPy rounds them.

use crate::diffusion::DiffusionError;
use crate::diffusion::fields::Fields;

/// How timesteps are spaced, and what is added to them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spacing {
    way: Way,
    offset: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Leading,
    Linspace,
    Trailing,
}

const WAYS: [(&str, Way); 3] =
    [("leading", Way::Leading), ("linspace", Way::Linspace), ("trailing", Way::Trailing)];

impl Spacing {
    /// Of a scheduler whose default is "leading".
    pub(crate) fn leading(fields: &Fields<'_>) -> Result<Self, DiffusionError> {
        Self::new(fields, &WAYS)
    }

    /// Of one whose default is "linspace".
    pub(crate) fn linspace(fields: &Fields<'_>) -> Result<Self, DiffusionError> {
        Self::new(fields, &[WAYS[1], WAYS[0], WAYS[2]])
    }

    fn new(fields: &Fields<'_>, ways: &[(&str, Way)]) -> Result<Self, DiffusionError> {
        let way = fields.choice("timestep_spacing", ways)?;
        Ok(Self { way, offset: fields.count("steps_offset", 0)? as f64 })
    }

    /// Whether noise begins at the first sigma alone, without the signal's part.
    pub(crate) fn begins_at_noise(self) -> bool {
        self.way != Way::Leading
    }

    /// `steps` timesteps, the latest first. With `fractions`, "linspace" keeps them.
    pub(crate) fn timesteps(self, trained: usize, steps: usize, fractions: bool) -> Vec<f64> {
        match self.way {
            Way::Linspace => {
                let exact = linspace(trained as f64 - 1.0, steps);
                let value = |time: f64| {
                    if fractions { f64::from(time as f32) } else { time.round_ties_even() }
                };
                exact.into_iter().rev().map(value).collect()
            }
            Way::Leading => {
                let ratio = (trained / steps) as f64;
                (0..steps).rev().map(|step| step as f64 * ratio + self.offset).collect()
            }
            Way::Trailing => trailing(trained, trained, steps),
        }
    }

    /// `steps` timesteps below `last`, the latest first, chosen so that one more would end at 0.
    pub(crate) fn timesteps_to_the_end(
        self,
        trained: usize,
        last: usize,
        steps: usize,
    ) -> Vec<f64> {
        match self.way {
            Way::Linspace => {
                let exact = linspace(last as f64 - 1.0, steps + 1);
                exact.into_iter().skip(1).rev().map(f64::round_ties_even).collect()
            }
            Way::Leading => {
                let ratio = (last / (steps + 1)) as f64;
                (1..=steps).rev().map(|step| step as f64 * ratio + self.offset).collect()
            }
            Way::Trailing => trailing(trained, last, steps),
        }
    }
}

fn linspace(end: f64, count: usize) -> Vec<f64> {
    let step = if count > 1 { end / (count - 1) as f64 } else { 0.0 };
    let mut values: Vec<f64> = (0..count).map(|index| index as f64 * step).collect();
    if count > 1 {
        values[count - 1] = end;
    }
    values
}

fn trailing(trained: usize, last: usize, steps: usize) -> Vec<f64> {
    let ratio = trained as f64 / steps as f64;
    let count = (last as f64 / ratio).ceil() as usize;
    let value = |index| (last as f64 - index as f64 * ratio).round_ties_even() - 1.0;
    (0..count).map(value).collect()
}

/// Refuses a run of no steps or more than the scheduler can make.
pub(crate) fn check_steps(steps: usize, most: usize) -> Result<(), DiffusionError> {
    if (1..=most).contains(&steps) { Ok(()) } else { Err(DiffusionError::Steps { steps, most }) }
}

/// Refuses timesteps that the training did not have.
pub(crate) fn check_timesteps(timesteps: &[f64], trained: usize) -> Result<(), DiffusionError> {
    match timesteps.iter().find(|&&time| time >= trained as f64) {
        Some(&time) => Err(DiffusionError::Timestep { timestep: time as i64, trained }),
        None => Ok(()),
    }
}
