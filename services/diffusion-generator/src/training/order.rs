//! The order in which an epoch sees the faces.

use std::collections::BTreeMap;

use agespan_models::diffusion::Noise;
use agespan_models::tch::TchError;

use crate::wording::{Attributes, Gender};

/// How often each face is seen in an epoch, in the mean.
pub(super) struct Shares(Vec<f64>);

impl Shares {
    /// Each face of a decade and gender that n faces are of gets a share in proportion to n to the power of
    /// minus `evenness`; all shares together make one epoch.
    pub(super) fn of<'a>(
        faces: impl Iterator<Item = &'a Attributes> + Clone,
        evenness: f64,
    ) -> Self {
        let group = |of: &Attributes| (of.age / 10, of.gender == Gender::Female);
        let mut sizes = BTreeMap::<_, f64>::new();
        faces.clone().for_each(|face| *sizes.entry(group(face)).or_default() += 1.0);
        let weights: Vec<f64> = faces.map(|face| sizes[&group(face)].powf(-evenness)).collect();
        let mean = weights.iter().sum::<f64>() / weights.len() as f64;
        Self(weights.into_iter().map(|weight| weight / mean).collect())
    }

    /// An epoch's order. A face whose share is 2.3 is seen two or three times, the third one in three epochs
    /// of ten. What fills no step is left out; the next epoch leaves out others.
    pub(super) fn order(&self, seed: u64, epoch: u32) -> Result<Vec<usize>, TchError> {
        let faces = self.0.len();
        let mut noise = Noise::named(seed, &format!("order of epoch {epoch}"));
        let keys = Vec::<f32>::try_from(noise.uniform(&[faces as i64]))?;
        let start = Vec::<f32>::try_from(noise.uniform(&[1]))?;
        // Marks at equal distances along all shares laid end to end: each takes the face that it falls on.
        let start = f64::from(start.first().copied().unwrap_or_default());
        let (mut order, mut end) = (Vec::with_capacity(faces), 0.0);
        for (face, share) in self.0.iter().enumerate() {
            end += share;
            while order.len() < faces && order.len() as f64 + start < end {
                order.push(face);
            }
        }
        // Where rounding has lost the last mark.
        order.resize(faces, faces.saturating_sub(1));
        let mut shuffled: Vec<(f32, usize)> = keys.into_iter().zip(order).collect();
        shuffled.sort_by(|left, right| left.0.total_cmp(&right.0));
        Ok(shuffled.into_iter().map(|(_, face)| face).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wording::Race;

    /// Ninety young men and ten old women.
    fn faces() -> Vec<Attributes> {
        let face = |at: u32| {
            let (age, gender) = if at < 90 { (25, Gender::Male) } else { (75, Gender::Female) };
            Attributes { age, gender, race: Race::White }
        };
        (0..100).map(face).collect()
    }

    fn old_women(evenness: f64, epoch: u32) -> usize {
        let order = Shares::of(faces().iter(), evenness).order(7, epoch).unwrap();
        assert_eq!(order.len(), 100);
        order.iter().filter(|face| **face >= 90).count()
    }

    #[test]
    fn left_alone_every_face_is_seen_once_in_another_order_each_epoch() {
        let faces = faces();
        let shares = Shares::of(faces.iter(), 0.0);
        let mut order = shares.order(7, 0).unwrap();
        assert_ne!(order, shares.order(7, 1).unwrap());
        assert_eq!(order, shares.order(7, 0).unwrap());
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn evenly_a_rare_group_is_seen_as_often_as_a_large_one() {
        for epoch in 0..20 {
            assert!((49..=51).contains(&old_women(1.0, epoch)));
            // Weights of 90 and 10 by their square roots: 3 to 1.
            assert!((24..=26).contains(&old_women(0.5, epoch)));
        }
    }

    #[test]
    fn every_face_of_a_large_group_is_seen_in_its_turn() {
        let shares = Shares::of(faces().iter(), 1.0);
        let mut seen = [false; 100];
        for epoch in 0..20 {
            shares.order(7, epoch).unwrap().into_iter().for_each(|face| seen[face] = true);
        }
        assert!(seen.iter().all(|seen| *seen));
    }
}
