//! An image drawn again until it shows exactly one face.
//!
//! Every draw of an image has a seed of its own that hangs on the image's seed and the draw's number
//! alone, and which draw is kept hangs on the draws alone: so whoever draws the image, and however
//! often it is begun, it is the same.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::engine::{DrawError, Drawing, Drawn, Engine, OnStep, Safety};

/// The most draws that an image can be asked to take.
pub const MAX_DRAWS: u32 = 10;
/// Draws when nobody says how many.
pub const DEFAULT_DRAWS: u32 = 3;

/// Whether the faces in a job's images are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaceCheck {
    /// No.
    #[default]
    Off,
    /// It was not asked to be off, but the server that took the job has no detector.
    NoDetector,
    /// Yes, with up to so many draws of each image, from 1.
    On {
        /// See [`MAX_DRAWS`].
        max_draws: u32,
    },
}

impl FaceCheck {
    /// The most draws of an image.
    pub fn max_draws(self) -> u32 {
        match self {
            Self::On { max_draws } => max_draws.clamp(1, MAX_DRAWS),
            Self::Off | Self::NoDetector => 1,
        }
    }
}

/// The seed of a draw, numbered from 1, of the image with this seed. `seed + draw` would be the seed
/// of another image of the job, and two of them the same.
pub fn seed_of(seed: u64, draw: u32) -> u64 {
    if draw == 1 {
        return seed;
    }
    let [a, b, c, d, e, f, g, h, ..]: [u8; 32] = Sha256::digest(format!("{seed}/{draw}")).into();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// The draw of an image that was kept.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Its number, from 1.
    pub(crate) draw: u32,
    /// How many were made.
    pub(crate) draws: u32,
    /// What it was drawn from.
    pub(crate) seed: u64,
    /// The image.
    pub(crate) drawn: Drawn,
}

/// Draws an image until it shows exactly one face, at most as often as the check says. `on_step` is
/// made for each draw by its number.
pub(crate) async fn draw(
    engine: &Engine,
    drawing: &Drawing,
    check: FaceCheck,
    on_step: impl Fn(u32) -> OnStep,
) -> Result<Kept, DrawError> {
    // Who gives the noise wants the image of that noise, not of another.
    let most = if drawing.noise.is_some() { 1 } else { check.max_draws() };
    let mut kept: Option<Kept> = None;
    let mut draw = 0;
    loop {
        draw += 1;
        let seed = seed_of(drawing.seed, draw);
        let drawn = engine.draw(Drawing { seed, ..drawing.clone() }, on_step(draw)).await?;
        let is_last = drawn.faces.is_none_or(|faces| faces == 1) || draw == most;
        let best = match kept.take() {
            Some(before) if rank(&before.drawn) <= rank(&drawn) => before,
            _ => Kept { draw, draws: draw, seed, drawn },
        };
        if is_last {
            return Ok(Kept { draws: draw, ..best });
        }
        kept = Some(best);
    }
}

/// Lower is better: what is not flagged; then the number of faces that is closest to one, and two
/// faces before none.
fn rank(drawn: &Drawn) -> (bool, u32, bool) {
    let faces = drawn.faces.unwrap_or(1);
    (drawn.safety == Some(Safety::Flagged), faces.abs_diff(1), faces == 0)
}

impl Kept {
    /// What the caller may not expect.
    pub(crate) fn warnings(&self, check: FaceCheck) -> Vec<String> {
        let mut warnings = self.drawn.warnings();
        warnings.extend(match self.drawn.faces {
            None if check == FaceCheck::NoDetector => Some(
                "faces were not counted: the server has no face detector; run `make setup` there, \
                 or name its folder with --first-weights"
                    .to_owned(),
            ),
            None | Some(1) => None,
            Some(faces) if self.draws == 1 => {
                Some(format!("the image shows {}, not exactly one", count(faces)))
            }
            Some(faces) => Some(format!(
                "none of {} draws shows exactly one face; draw {} is kept, which shows {}",
                self.draws,
                self.draw,
                count(faces)
            )),
        });
        warnings
    }
}

fn count(faces: u32) -> String {
    match faces {
        0 => "no face".to_owned(),
        faces => format!("{faces} faces"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(faces: Option<u32>) -> Drawn {
        let pixels = Vec::new();
        Drawn {
            width: 0,
            height: 0,
            pixels,
            dropped: 0,
            negative_dropped: 0,
            safety: None,
            faces,
            trace: None,
        }
    }

    #[test]
    fn seeds_of_draws_are_what_the_protocol_says() {
        assert_eq!(seed_of(7, 1), 7);
        // printf 7/2 | sha256sum
        assert_eq!(seed_of(7, 2), 0x1b8b_6b56_bf9b_f6b7);
        let seeds: std::collections::HashSet<u64> =
            (0..100).flat_map(|seed| (1..=10).map(move |draw| seed_of(seed, draw))).collect();
        assert_eq!(seeds.len(), 1000);
    }

    #[test]
    fn two_faces_are_better_than_none_and_none_better_than_three() {
        let ranks = [1, 2, 0, 3, 4].map(|faces| rank(&drawn(Some(faces))));
        assert!(ranks.windows(2).all(|pair| pair[0] < pair[1]), "{ranks:?}");
        let flagged = Drawn { safety: Some(Safety::Flagged), ..drawn(Some(0)) };
        assert!(rank(&flagged) > ranks[4]);
    }

    #[test]
    fn what_is_not_one_face_is_said() {
        let warnings = |faces, draws, check| {
            let kept = Kept { draw: 1, draws, seed: 7, drawn: drawn(faces) };
            kept.warnings(check).join("; ")
        };
        let on = FaceCheck::On { max_draws: 3 };
        assert_eq!(warnings(Some(1), 2, on), "");
        assert_eq!(warnings(Some(0), 1, on), "the image shows no face, not exactly one");
        let none = "none of 3 draws shows exactly one face; draw 1 is kept, which shows 2 faces";
        assert_eq!(warnings(Some(2), 3, on), none);
        assert_eq!(warnings(None, 1, FaceCheck::Off), "");
        assert!(warnings(None, 1, FaceCheck::NoDetector).contains("make setup"));
    }
}
