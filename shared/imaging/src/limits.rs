/// What an image may cost before it is looked at.
///
/// The defaults take any photo of a present-day phone and refuse everything that only exists to
/// exhaust a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest accepted file, in bytes. Default 10 MiB.
    pub max_bytes: usize,
    /// The most pixels, width times height. Default 50 million.
    ///
    /// Decoded samples may take four bytes for each of these, so that 8-bit RGBA is accepted up
    /// to the limit and 16-bit RGBA up to half of it.
    pub max_pixels: u64,
    /// The longest side, in pixels. Default 16384.
    pub max_side: u32,
    /// The shortest side, in pixels. Default 16: no face can be read from less.
    pub min_side: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 10 * 1024 * 1024, max_pixels: 50_000_000, max_side: 16_384, min_side: 16 }
    }
}

impl Limits {
    /// The most memory that decoded samples, and separately a decoder's own buffers, may take.
    pub(crate) fn max_decoded_bytes(&self) -> u64 {
        self.max_pixels.saturating_mul(4)
    }
}
