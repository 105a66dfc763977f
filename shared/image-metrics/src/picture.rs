use crate::MetricError;

/// The pixels of an image: 8-bit RGB, row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture<'a> {
    width: usize,
    height: usize,
    samples: &'a [u8],
}

impl<'a> Picture<'a> {
    /// An image of so many pixels across and down, three samples of 0 to 255 each.
    ///
    /// # Errors
    /// [`MetricError::Samples`] when there are more or fewer, or none.
    pub fn new(width: usize, height: usize, samples: &'a [u8]) -> Result<Self, MetricError> {
        let wanted = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(3));
        if samples.is_empty() || wanted != Some(samples.len()) {
            return Err(MetricError::Samples { found: samples.len(), width, height });
        }
        Ok(Self { width, height, samples })
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// The samples: red, green, blue, pixel by pixel.
    pub fn samples(&self) -> &'a [u8] {
        self.samples
    }

    /// Fails unless the other is of the same size.
    pub(crate) fn same_size(&self, other: &Self) -> Result<(), MetricError> {
        if self.size() == other.size() {
            return Ok(());
        }
        Err(MetricError::Sizes { left: self.size(), right: other.size() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_must_be_three_for_each_pixel() {
        assert!(Picture::new(2, 1, &[0; 6]).is_ok());
        for (width, height) in [(1, 1), (3, 1), (0, 0), (usize::MAX, usize::MAX)] {
            assert!(Picture::new(width, height, &[0; 6]).is_err());
        }
        assert!(Picture::new(0, 0, &[]).is_err());
    }
}
