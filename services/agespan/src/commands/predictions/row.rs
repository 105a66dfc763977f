//! One row, and what is made of it.

use std::collections::HashMap;
use std::sync::Arc;

use agespan_conformal::{AtLevel, Bounds, CalibratedGroup, FitError, Fitting, Prediction, Slice};
use anyhow::{Error, Result};

/// A row. What its file has no column for is 0 or nothing.
pub(super) struct Row<'a> {
    pub(super) prediction: f64,
    pub(super) sigma: f64,
    pub(super) truth: f64,
    pub(super) label: Option<&'a Arc<str>>,
}

impl Row<'_> {
    fn prediction(&self) -> Result<Prediction> {
        let prediction = Prediction::new(self.prediction, self.sigma)?;
        Ok(match self.label {
            Some(label) => prediction.with_label(label.clone()),
            None => prediction,
        })
    }

    /// Counts the row.
    pub(super) fn fit(&self, fitting: &mut Fitting) -> Result<()> {
        fitting.add(&self.prediction()?, self.truth).map_err(|error| match error {
            // Which row it is in its file, its reader says.
            FitError::Row { error, .. } => Error::new(error),
            other => Error::new(other),
        })
    }

    /// The row's interval.
    pub(super) fn bounds(&self, at: &AtLevel<'_>) -> Result<Bounds> {
        Ok(at.bounds(&self.prediction()?))
    }
}

/// Labels that occurred, each held once.
#[derive(Clone, Default)]
pub(super) struct Labels(HashMap<Box<str>, Arc<str>>);

impl Labels {
    /// Those of a calibration, so that its groups are found without reading the text.
    pub(super) fn of_groups(groups: &[CalibratedGroup]) -> Self {
        let label = |group: &CalibratedGroup| match &group.group().slice {
            Slice::Label(label) => Some((label.as_ref().into(), label.clone())),
            _ => None,
        };
        Self(groups.iter().filter_map(label).collect())
    }

    pub(super) fn of(&mut self, text: &str) -> &Arc<str> {
        // Asked twice, because a key is made only for a label that is new.
        if !self.0.contains_key(text) {
            self.0.insert(text.into(), text.into());
        }
        &self.0[text]
    }
}
