//! Two calibrations side by side.

use super::{CalibratedGroup, Calibration};
use crate::Coverage;

/// A group in one of two calibrations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroupSide {
    /// Its calibration members.
    pub size: usize,
    /// Its threshold; none when it has too few members for the level.
    pub threshold: Option<f64>,
}

/// A group that at least one of two calibrations has.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupDiff {
    /// Its name.
    pub group: String,
    /// In the first; none when that has no such group.
    pub base: Option<GroupSide>,
    /// In the second; none when that has no such group.
    pub candidate: Option<GroupSide>,
}

/// The groups of two calibrations at one level, those of `base` first. Thresholds of different
/// scores are in different units.
pub fn diff(base: &Calibration, candidate: &Calibration, coverage: Coverage) -> Vec<GroupDiff> {
    let side = |calibration: &Calibration, name: &str| {
        let group = calibration.groups.iter().find(|group| group.group.name == name)?;
        Some(GroupSide { size: group.scores.len(), threshold: group.threshold(coverage) })
    };
    let name = |group: &CalibratedGroup| group.group.name.clone();
    let mut names: Vec<String> = base.groups.iter().map(name).collect();
    let fresh = candidate.groups.iter().map(name).filter(|name| !names.contains(name));
    names.extend(fresh.collect::<Vec<_>>());
    let of_both = |group: String| GroupDiff {
        base: side(base, &group),
        candidate: side(candidate, &group),
        group,
    };
    names.into_iter().map(of_both).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AgeSupport, CalibrationSpec, Grouping, Prediction, Score};

    fn calibration(grouping: Grouping, n: u32) -> Calibration {
        let spec =
            CalibrationSpec { min_group: 1, ..CalibrationSpec::new(Score::Absolute, grouping) };
        let rows = (0..n).map(|i| {
            let prediction = Prediction::new(f64::from(i % 2) * 100.0 + 5.0, 0.0).unwrap();
            let truth = prediction.mean() + f64::from(i) / f64::from(n);
            (prediction, truth)
        });
        Calibration::fit(spec, AgeSupport::new(0.0, 110.0).unwrap(), rows).unwrap()
    }

    #[test]
    fn a_calibration_does_not_differ_from_itself() {
        let calibration = calibration(Grouping::PredictedDecade, 40);
        let groups = diff(&calibration, &calibration, Coverage::DEFAULT);
        assert_eq!(groups.len(), calibration.groups().len());
        assert!(groups.iter().all(|group| group.base == group.candidate));
    }

    #[test]
    fn groups_of_only_one_side_and_infinite_thresholds_are_told() {
        let (decades, all) =
            (calibration(Grouping::PredictedDecade, 12), calibration(Grouping::None, 40));
        let groups = diff(&decades, &all, Coverage::DEFAULT);
        let last = groups.last().unwrap();
        assert_eq!((last.group.as_str(), last.base), ("all", None));
        assert_eq!(last.candidate.unwrap().size, 40);
        assert!(last.candidate.unwrap().threshold.is_some());
        assert_eq!(groups[0].candidate, None);
        // Six members are too few for 90 %.
        assert_eq!(groups[0].base, Some(GroupSide { size: 6, threshold: None }));
    }
}
