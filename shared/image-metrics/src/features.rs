use crate::MetricError;

/// What a network sees in images: a row of numbers for each, all finite.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features {
    columns: usize,
    values: Vec<f32>,
}

impl Features {
    /// No rows yet, of so many numbers each.
    pub fn new(columns: usize) -> Self {
        Self { columns, values: Vec::new() }
    }

    /// Rows of so many numbers each, one after the other.
    ///
    /// # Errors
    /// [`MetricError::NotFinite`]; [`MetricError::Dimensions`] when the numbers make no whole rows.
    pub fn from_rows(columns: usize, values: Vec<f32>) -> Result<Self, MetricError> {
        check(columns, &values)?;
        Ok(Self { columns, values })
    }

    /// Adds rows.
    ///
    /// # Errors
    /// Those of [`Features::from_rows`].
    pub fn extend(&mut self, values: &[f32]) -> Result<(), MetricError> {
        check(self.columns, values)?;
        self.values.extend_from_slice(values);
        Ok(())
    }

    /// Numbers in a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.columns).unwrap_or(0)
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All numbers, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// A row.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.columns..(index + 1) * self.columns]
    }

    /// Some rows, in the order of their indices here.
    pub fn select(&self, rows: &[usize]) -> Self {
        let values = rows.iter().flat_map(|&row| self.row(row)).copied().collect();
        Self { columns: self.columns, values }
    }

    pub(crate) fn row_mut(&mut self, index: usize) -> &mut [f32] {
        &mut self.values[index * self.columns..(index + 1) * self.columns]
    }

    pub(crate) fn same_columns(&self, other: &Self) -> Result<(), MetricError> {
        if self.columns == other.columns {
            return Ok(());
        }
        Err(MetricError::Dimensions { left: self.columns, right: other.columns })
    }

    pub(crate) fn at_least(&self, needed: usize, metric: &'static str) -> Result<(), MetricError> {
        if self.len() >= needed {
            return Ok(());
        }
        Err(MetricError::TooFew { metric, needed, found: self.len() })
    }
}

/// Fails unless these are whole rows of finite numbers.
pub(crate) fn check(columns: usize, values: &[f32]) -> Result<(), MetricError> {
    if columns == 0 || !values.len().is_multiple_of(columns) {
        return Err(MetricError::Dimensions { left: columns, right: values.len() });
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(MetricError::NotFinite { row: at / columns, column: at % columns }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_none_is_named() {
        let rows = vec![1.0, 2.0, 3.0, 4.0, f32::NAN, 6.0];
        let found = Features::from_rows(3, rows);
        assert_eq!(found, Err(MetricError::NotFinite { row: 1, column: 1 }));
        assert!(Features::new(3).extend(&[1.0, f32::INFINITY, 0.0]).is_err());
        assert!(Features::from_rows(3, vec![0.0; 4]).is_err());
        assert!(Features::from_rows(0, vec![]).is_err());
    }
}
