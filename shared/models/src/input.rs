//! How a square image becomes the network's input.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::Backbone;

/// The input of a model: part of the model, not of the code.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputSpec {
    /// The square image is first resized to this side, in pixels.
    pub resize: u32,
    /// Then its middle square of this side is taken, in pixels; training takes a random one.
    pub crop: u32,
    /// Mean of the channels R, G, B on a scale of 0 to 1.
    pub mean: [f32; 3],
    /// Standard deviation of the channels on that scale.
    pub std: [f32; 3],
}

impl Default for InputSpec {
    /// 112 out of 128 pixels, scaled as the default backbone's first weights want it.
    fn default() -> Self {
        Backbone::default().input(128, 112)
    }
}

impl InputSpec {
    /// Bytes of one resized RGB image.
    pub fn image_bytes(&self) -> usize {
        (self.resize * self.resize * 3) as usize
    }

    /// Bytes of one cropped RGB image.
    pub fn crop_bytes(&self) -> usize {
        (self.crop * self.crop * 3) as usize
    }

    /// Copies the square of side `crop` at (`left`, `top`) of a resized RGB image to `target`,
    /// row by row.
    ///
    /// # Panics
    /// When the square is not within the image, or a slice is not of the size that the
    /// specification says: both are the program's own.
    pub fn copy_crop(&self, image: &[u8], left: u32, top: u32, target: &mut [u8]) {
        assert_eq!(image.len(), self.image_bytes());
        let (stride, width) = ((self.resize * 3) as usize, (self.crop * 3) as usize);
        for (row, line) in target.chunks_exact_mut(width).enumerate() {
            let start = (top as usize + row) * stride + left as usize * 3;
            line.copy_from_slice(&image[start..start + width]);
        }
    }

    /// The middle square of a resized RGB image.
    pub fn center_crop(&self, image: &[u8]) -> Vec<u8> {
        let margin = (self.resize - self.crop) / 2;
        let mut target = vec![0; self.crop_bytes()];
        self.copy_crop(image, margin, margin, &mut target);
        target
    }

    /// Cropped RGB images, one after the other, as a normalised tensor [n, 3, crop, crop].
    ///
    /// The pixels stay where they are (channels last), which is also the layout in which the
    /// convolutions are fastest on a CPU.
    pub fn tensor(&self, pixels: &[u8], device: Device) -> Tensor {
        let side = i64::from(self.crop);
        let count = (pixels.len() / self.crop_bytes()) as i64;
        let bytes = Tensor::from_data_size(pixels, &[count, side, 3 * side], Kind::Uint8);
        // Of a whole row of pixels: libtorch is slow where only three numbers lie in one line.
        let row =
            |channels: [f32; 3]| Tensor::from_slice(&channels).repeat([side]).to_device(device);
        let mut images = bytes.to_device(device).to_kind(Kind::Float);
        images *= row(self.std.map(|std| 1.0 / (255.0 * std)));
        images += row([0, 1, 2].map(|channel| -self.mean[channel] / self.std[channel]));
        let images = images.view([count, side, side, 3]);
        images.permute([0, 3, 1, 2])
    }
}
