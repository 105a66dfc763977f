//! What a job's images show, summed up.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::engine::Safety;
use crate::images::Facts;

/// Sums over images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Images in which faces were counted.
    pub counted: u32,
    /// Those of them that show exactly one face.
    pub one_face: u32,
    /// Draws after the first of each image.
    pub again: u32,
    /// Images that the safety checker flagged.
    #[serde(default)]
    pub flagged: u32,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.counted += other.counted;
        self.one_face += other.one_face;
        self.again += other.again;
        self.flagged += other.flagged;
    }
}

impl Tally {
    /// Adds an image.
    pub fn add(&mut self, image: &Facts) {
        self.counted += u32::from(image.faces.is_some());
        self.one_face += u32::from(image.faces == Some(1));
        self.again += image.draws.saturating_sub(1);
        self.flagged += u32::from(image.safety == Some(Safety::Flagged));
    }

    /// For a person to read; nothing where there is nothing to say.
    pub fn words(&self) -> Option<String> {
        let Self { counted, one_face, again, flagged } = *self;
        let others = counted.saturating_sub(one_face);
        let counted = (counted > 0).then(|| {
            let times = if again == 1 { "draw was" } else { "draws were" };
            format!(
                "{one_face} with exactly one face, {others} without; {again} {times} made again"
            )
        });
        let flagged = (flagged > 0).then(|| format!("{flagged} flagged as unsafe and black"));
        let parts: Vec<String> = [counted, flagged].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_counted_is_not_spoken_of() {
        let image = |draws, faces| Facts { draws, faces, ..Facts::default() };
        let mut tally = Tally::default();
        tally.add(&image(1, None));
        assert_eq!(tally.words(), None);
        for (draws, faces) in [(1, 1), (2, 1), (3, 0)] {
            tally.add(&image(draws, Some(faces)));
        }
        let words = "2 with exactly one face, 1 without; 3 draws were made again";
        assert_eq!(tally.words().unwrap(), words);
        let mut flagged = Tally::default();
        flagged.add(&Facts { safety: Some(Safety::Flagged), ..image(1, None) });
        assert_eq!(flagged.words().unwrap(), "1 flagged as unsafe and black");
    }
}
