//! Overlapping tiles, passed one after the other and blended where they meet.

use tch::{Kind, TchError, Tensor};

/// The part of a tile that the next one covers too.
const OVERLAP: f64 = 0.25;

/// The sides of a tile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiling {
    /// Side of a tile of an image.
    pub(crate) pixels: i64,
    /// Side of a tile of latents.
    pub(crate) latents: i64,
}

type Pass<'a> = dyn Fn(&Tensor) -> Result<Tensor, TchError> + 'a;

impl Tiling {
    pub(crate) fn encode(self, images: &Tensor, pass: &Pass<'_>) -> Result<Tensor, TchError> {
        tiled(images, self.pixels, self.latents, pass)
    }

    pub(crate) fn decode(self, latents: &Tensor, pass: &Pass<'_>) -> Result<Tensor, TchError> {
        tiled(latents, self.latents, self.pixels, pass)
    }
}

/// Passes tiles of side `from`, which become tiles of side `to`.
fn tiled(input: &Tensor, from: i64, to: i64, pass: &Pass<'_>) -> Result<Tensor, TchError> {
    let (_, _, height, width) = input.size4()?;
    if height <= from && width <= from {
        return pass(input);
    }
    let stride = ((from as f64 * (1.0 - OVERLAP)) as usize).max(1);
    let blended = (to as f64 * OVERLAP) as i64;
    let kept = to - blended;
    let (mut above, mut rows): (Vec<Tensor>, Vec<Tensor>) = (Vec::new(), Vec::new());
    for top in (0..height).step_by(stride) {
        let (mut row, mut parts): (Vec<Tensor>, Vec<Tensor>) = (Vec::new(), Vec::new());
        for left in (0..width).step_by(stride) {
            let tile = input.f_narrow(2, top, from.min(height - top))?.f_narrow(
                3,
                left,
                from.min(width - left),
            )?;
            let mut tile = pass(&tile)?;
            if let Some(neighbour) = above.get(row.len()) {
                tile = blend(neighbour, &tile, 2, blended)?;
            }
            if let Some(neighbour) = row.last() {
                tile = blend(neighbour, &tile, 3, blended)?;
            }
            let (_, _, rows, columns) = tile.size4()?;
            parts.push(tile.f_narrow(2, 0, kept.min(rows))?.f_narrow(3, 0, kept.min(columns))?);
            row.push(tile);
        }
        rows.push(Tensor::f_cat(&parts, 3)?);
        above = row;
    }
    Tensor::f_cat(&rows, 2)
}

/// The tile whose first rows or columns go over from the neighbour's last.
fn blend(
    neighbour: &Tensor,
    tile: &Tensor,
    dimension: i64,
    extent: i64,
) -> Result<Tensor, TchError> {
    let (before, length) = (neighbour.size()[dimension as usize], tile.size()[dimension as usize]);
    let extent = extent.min(before).min(length);
    let ramp = Tensor::f_arange(extent, (Kind::Float, tile.device()))?
        .f_div_scalar(extent)?
        .f_to_kind(tile.kind())?
        .f_view(if dimension == 2 { [1, 1, -1, 1] } else { [1, 1, 1, -1] })?;
    let from = neighbour.f_narrow(dimension, before - extent, extent)?;
    let to = tile.f_narrow(dimension, 0, extent)?;
    let mixed = from.f_mul(&ramp.f_neg()?.f_add_scalar(1.0)?)?.f_add(&to.f_mul(&ramp)?)?;
    let rest = tile.f_narrow(dimension, extent, length - extent)?;
    Tensor::f_cat(&[mixed, rest], dimension)
}
