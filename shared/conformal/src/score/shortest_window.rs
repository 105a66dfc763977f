//! s(x, y) = the least mass of a window of whole years that holds y, where windows grow from the
//! most probable age, each time by the more probable of their two neighbours; between 0 and 1.
//!
//! Interval: the last window whose mass is at most the threshold. For a distribution with one peak
//! these are its shortest windows, and they are nested, which makes them conformal sets. They are
//! whole years, as ages in completed years are. Source: Lu, Angelopoulos, Pomerantz, *Improving
//! Trustworthiness of AI Disease Severity Rating in Medical Imaging with Ordinal Conformal
//! Prediction Sets* (2022), algorithm 1, without its randomisation.

use crate::Prediction;

/// What a year counts beside its probability, so that years which the distribution rules out are
/// told apart by their distance.
const SLIVER: f64 = 1e-9;

pub(super) fn of(prediction: &Prediction, truth: f64) -> f64 {
    let Some(distribution) = prediction.distribution() else { return f64::INFINITY };
    // A truth between two whole years is inside when both are; one beyond the last bin, in it.
    let last = distribution.len() - 1;
    let bin = |age: f64| (age.max(0.0) as usize).min(last);
    let (first, last) = (bin(truth.floor()), bin(truth.ceil()));
    let mut window = Window::new(distribution);
    while !(window.first <= first && last <= window.last) {
        window.grow();
    }
    window.mass
}

pub(super) fn interval(prediction: &Prediction, threshold: f64) -> (f64, f64) {
    let Some(distribution) = prediction.distribution() else {
        return (f64::NEG_INFINITY, f64::INFINITY);
    };
    let mut window = Window::new(distribution);
    let mut next = window;
    while next.mass <= threshold && !window.is_everything() {
        window = next;
        next.grow();
    }
    // The first bin holds all younger ages, the last all older ones.
    let lower = if window.first == 0 { f64::NEG_INFINITY } else { window.first as f64 };
    let upper =
        if window.last + 1 == distribution.len() { f64::INFINITY } else { window.last as f64 };
    (lower, upper)
}

/// The bins `first..=last` and the mass in them.
#[derive(Clone, Copy)]
struct Window<'a> {
    distribution: &'a [f64],
    first: usize,
    last: usize,
    mass: f64,
}

impl<'a> Window<'a> {
    /// The most probable bin; the youngest of several.
    fn new(distribution: &'a [f64]) -> Self {
        let mut mode = 0;
        for (age, probability) in distribution.iter().enumerate() {
            if *probability > distribution[mode] {
                mode = age;
            }
        }
        Self { distribution, first: mode, last: mode, mass: distribution[mode] + SLIVER }
    }

    fn is_everything(&self) -> bool {
        self.first == 0 && self.last + 1 == self.distribution.len()
    }

    /// Takes in the more probable neighbour, the younger of equals.
    fn grow(&mut self) {
        let below = self.first.checked_sub(1).map(|age| self.distribution[age]);
        let above = self.distribution.get(self.last + 1).copied();
        match (below, above) {
            (Some(below), Some(above)) if above > below => self.older(above),
            (Some(below), _) => {
                self.first -= 1;
                self.mass += below + SLIVER;
            }
            (None, Some(above)) => self.older(above),
            (None, None) => {}
        }
    }

    fn older(&mut self, probability: f64) {
        self.last += 1;
        self.mass += probability + SLIVER;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction() -> Prediction {
        //                                 0    1    2    3    4    5
        Prediction::from_distribution(&[0.05, 0.1, 0.4, 0.25, 0.15, 0.05]).unwrap()
    }

    #[test]
    fn by_hand() {
        let score = |truth| (of(&prediction(), truth) * 100.0).round() / 100.0;
        // It grows 2, 3, 4, 1, 0 (the younger of equals), 5.
        assert_eq!([0.0, 1.0, 2.0, 3.0, 4.0, 5.0].map(score), [0.95, 0.9, 0.4, 0.65, 0.8, 1.0]);
        assert_eq!(score(3.5), 0.8);
        assert_eq!(score(70.0), 1.0);
        assert_eq!(interval(&prediction(), 0.85), (2.0, 4.0));
        assert_eq!(interval(&prediction(), 0.92), (1.0, 4.0));
        let (lower, upper) = interval(&prediction(), 1.1);
        assert!(lower < 0.0 && upper > 200.0, "the outer bins are open-ended");
    }

    #[test]
    fn years_without_probability_are_told_apart() {
        let sure = Prediction::from_distribution(&[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]).unwrap();
        let scores = [0.0, 1.0, 2.0, 3.0].map(|truth| of(&sure, truth));
        assert!(scores.is_sorted_by(|near, far| near > far), "{scores:?}");
        assert_eq!(interval(&sure, of(&sure, 2.0)), (2.0, 3.0));
    }

    #[test]
    fn a_threshold_below_the_first_window_gives_the_most_probable_age() {
        assert_eq!(interval(&prediction(), 0.1), (2.0, 2.0));
    }
}
