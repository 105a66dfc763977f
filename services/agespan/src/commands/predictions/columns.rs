//! Columns, found by name: prediction, truth, sigma, group.

use std::path::Path;

use anyhow::{Result, anyhow, bail};

/// Where the columns are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    pub(super) prediction: usize,
    pub(super) truth: Option<usize>,
    pub(super) sigma: Option<usize>,
    pub(super) group: Option<usize>,
}

impl Columns {
    pub(super) fn find<'a>(names: impl Iterator<Item = &'a str>, path: &Path) -> Result<Self> {
        let names: Vec<&str> = names.map(str::trim).collect();
        let place = |name: &str| -> Result<Option<usize>> {
            let mut places = names.iter().enumerate().filter(|(_, found)| **found == name);
            let first = places.next().map(|(place, _)| place);
            match places.next() {
                Some(_) => bail!("{} has two columns called {name}", path.display()),
                None => Ok(first),
            }
        };
        let prediction = place("prediction")?.ok_or_else(|| {
            anyhow!("{} has no column called prediction; it has {names:?}", path.display())
        })?;
        Ok(Self {
            prediction,
            truth: place("truth")?,
            sigma: place("sigma")?,
            group: place("group")?,
        })
    }
}
