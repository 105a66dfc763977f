//! Groups of predictions inside which coverage holds separately.
//!
//! Mondrian conformal prediction: with a threshold per group g(x),
//! P(Y ∈ C(X) | g(X) = g) ≥ coverage for every group. Groups are formed from predictions only: the
//! true age is unknown in service, so a threshold looked up by it is not one that users get. The one
//! way to cover groups of true age is [`Grouping::TrueDecade`], which tries every decade.
//!
//! Small groups are merged by the number of their calibration members, never by their scores. The
//! guarantee is exact for a partition that was fixed before the calibration data were seen. Where
//! counts made two decades one group, the mix of decades inside it is slightly tied to the rule:
//! `tests/coverage.rs` measures less than a tenth of a point in the worst case.
//!
//! Source: Vovk, Gammerman, Shafer, *Algorithmic Learning in a Random World* (2005), section 4.5.

mod decades;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{AgeSupport, Part, Prediction};
use decades::merge;
pub(crate) use decades::{decade_cuts, decade_of};

/// The least number of calibration members of a group, unless the fit asks for another.
///
/// Coverage given a calibration set is Beta(k, n + 1 − k). At 90 % its standard deviation is 4.2
/// points for n = 50 and 3.0 points for n = 100, so that a group is rarely worse than 84 %; and
/// with 100 members even 99 % has a finite threshold (it takes 99). More would merge the decades
/// of old age, of which data sets have few, into their younger neighbours.
pub const MIN_GROUP: usize = 100;

/// How predictions are divided into groups with a threshold each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grouping {
    /// One group: coverage holds over everybody taken together.
    None,
    /// The decade ⌊ŷ/10⌋ of the predicted age, small neighbours merged.
    PredictedDecade,
    /// The predicted gender.
    PredictedGender,
    /// The decade of the predicted age within each predicted gender.
    PredictedDecadeAndGender,
    /// The decade of the **true** age: an interval holds each age y whose score is at most the
    /// threshold of y's own decade, so that every true decade is covered, whoever is in it.
    TrueDecade,
    /// A label that the caller gives each prediction. Labels are never merged.
    Label,
}

/// A name that is not one of the groupings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown grouping {0:?}: expected one of {names}", names = Grouping::ALL.map(Grouping::name).join(", "))]
pub struct UnknownGrouping(pub String);

/// Who a group is about, ages aside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slice {
    /// Everybody.
    Everyone,
    /// Those who are predicted to be female.
    Female,
    /// Those who are predicted to be male.
    Male,
    /// Those whom the caller labels so.
    Label(Arc<str>),
}

/// Which age divides a slice into decades.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axis {
    Predicted,
    True,
}

/// Slices that are tried by identity before they are sought by name: more would cost more than a
/// search.
pub(crate) const AT_HAND: usize = 16;

impl Slice {
    /// Whether it is the same without looking at a label's text: a caller who holds each label once
    /// need not have it read for each row.
    #[inline]
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Label(own), Self::Label(other)) => Arc::ptr_eq(own, other),
            (own, other) => std::mem::discriminant(own) == std::mem::discriminant(other),
        }
    }
}

impl Grouping {
    /// Every grouping, in the order in which tables show them.
    pub const ALL: [Self; 6] = [
        Self::None,
        Self::PredictedDecade,
        Self::PredictedGender,
        Self::PredictedDecadeAndGender,
        Self::TrueDecade,
        Self::Label,
    ];

    /// The name in commands and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::PredictedDecade => "predicted-decade",
            Self::PredictedGender => "predicted-gender",
            Self::PredictedDecadeAndGender => "predicted-decade-and-gender",
            Self::TrueDecade => "true-decade",
            Self::Label => "label",
        }
    }

    /// What it needs of a prediction.
    #[inline]
    pub fn needs(self) -> Option<Part> {
        match self {
            Self::None | Self::PredictedDecade | Self::TrueDecade => None,
            Self::PredictedGender | Self::PredictedDecadeAndGender => Some(Part::Gender),
            Self::Label => Some(Part::Label),
        }
    }

    /// The age that cuts slices into decades, if one does.
    #[inline]
    pub(crate) fn axis(self) -> Option<Axis> {
        match self {
            Self::None | Self::PredictedGender | Self::Label => None,
            Self::PredictedDecade | Self::PredictedDecadeAndGender => Some(Axis::Predicted),
            Self::TrueDecade => Some(Axis::True),
        }
    }

    /// The slice that a prediction is in; none when it lacks what the grouping needs.
    pub(crate) fn slice(self, prediction: &Prediction) -> Option<Slice> {
        match self.needs() {
            Some(Part::Gender) => {
                prediction.female().map(|female| if female { Slice::Female } else { Slice::Male })
            }
            Some(Part::Label) => prediction.label.clone().map(Slice::Label),
            Some(Part::Distribution) | None => Some(Slice::Everyone),
        }
    }
}

impl fmt::Display for Grouping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Grouping {
    type Err = UnknownGrouping;

    fn from_str(name: &str) -> Result<Self, UnknownGrouping> {
        Self::ALL
            .into_iter()
            .find(|grouping| grouping.name() == name)
            .ok_or_else(|| UnknownGrouping(name.to_owned()))
    }
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Everyone => "all",
            Self::Female => "female",
            Self::Male => "male",
            Self::Label(label) => label,
        })
    }
}

/// One part of a slice: the ages from `from` up to `to` of whatever age the grouping goes by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// The slice and the completed years: `all`, `20-29`, `70+` at the top, `female 20-29`, or the
    /// caller's label.
    pub name: String,
    /// Who it is about.
    pub slice: Slice,
    /// The least age inside, in years.
    pub from: f64,
    /// The age at which the next group begins, in years: not inside, except in the last group of
    /// a slice, which ends with the support and includes it.
    pub to: f64,
}

impl Group {
    pub(crate) fn new(support: AgeSupport, slice: Slice, from: f64, to: f64) -> Self {
        let years = if from <= support.lower() && to >= support.upper() {
            String::new()
        } else if to >= support.upper() {
            format!("{from}+")
        } else {
            format!("{from}-{}", to - 1.0)
        };
        let name = match (&slice, years.is_empty()) {
            (slice, true) => slice.to_string(),
            (Slice::Everyone, false) => years,
            (slice, false) => format!("{slice} {years}"),
        };
        Self { name, slice, from, to }
    }
}

/// The position, among neighbouring groups that begin at `starts`, of the one for `age`. An age
/// outside the support belongs to the nearest group, so that there always is one.
pub(crate) fn position(starts: impl Iterator<Item = f64>, age: f64) -> usize {
    starts.skip(1).take_while(|&start| start <= age).count()
}

/// The groups of a slice whose decades, youngest first, have so many members each.
pub(crate) fn partition(
    support: AgeSupport,
    slice: &Slice,
    counts: &[usize],
    min_group: usize,
) -> Vec<Group> {
    let cuts = merge(&decade_cuts(support), counts, min_group);
    let starts = std::iter::once(support.lower()).chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain([support.upper()]);
    starts.zip(ends).map(|(from, to)| Group::new(support, slice.clone(), from, to)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn groups(support: AgeSupport, min_group: usize, means: &[f64]) -> Vec<Group> {
        let cuts = decade_cuts(support);
        let mut counts = vec![0; cuts.len() + 1];
        for mean in means {
            counts[cuts.partition_point(|cut| cut <= mean)] += 1;
        }
        partition(support, &Slice::Everyone, &counts, min_group)
    }

    fn names(support: AgeSupport, min_group: usize, means: &[f64]) -> Vec<String> {
        groups(support, min_group, means).into_iter().map(|group| group.name).collect()
    }

    /// So many predictions in the middle of each decade, youngest first.
    fn decades(counts: &[usize]) -> Vec<f64> {
        let decades = counts.iter().enumerate();
        decades
            .flat_map(|(decade, &count)| std::iter::repeat_n(decade as f64 * 10.0 + 5.0, count))
            .collect()
    }

    #[test]
    fn decades_with_enough_members_stay() {
        let names = names(AgeSupport::default(), 2, &decades(&[2; 12]));
        let expected = [
            "0-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70-79", "80-89", "90-99",
            "100-109", "110+",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn the_oldest_are_merged_downwards() {
        let means = decades(&[5, 5, 5, 5, 5, 5, 5, 3, 1, 1]);
        let names = names(AgeSupport::default(), 5, &means);
        assert_eq!(names.last().unwrap(), "70+");
        assert_eq!(names.len(), 8);
    }

    #[test]
    fn what_is_left_at_the_young_end_joins_the_group_above() {
        let names = names(AgeSupport::default(), 5, &decades(&[1, 3, 9, 9]));
        assert_eq!(names, ["0-29", "30+"]);
    }

    #[test]
    fn a_group_in_the_middle_grows_downwards_until_it_is_large_enough() {
        let names = names(AgeSupport::default(), 5, &decades(&[9, 9, 2, 2, 2, 9]));
        assert_eq!(names, ["0-9", "10-19", "20-49", "50+"]);
    }

    #[test]
    fn too_few_for_two_groups_are_one() {
        assert_eq!(names(AgeSupport::default(), 5, &decades(&[3, 3])), ["all"]);
        assert_eq!(names(AgeSupport::default(), 5, &decades(&[9])), ["all"]);
        assert_eq!(names(AgeSupport::default(), 5, &[]), ["all"]);
    }

    #[test]
    fn a_boundary_belongs_to_the_older_group_and_the_top_to_the_last() {
        let support = AgeSupport::new(0.0, 30.0).unwrap();
        let groups = groups(support, 1, &[5.0, 15.0, 25.0]);
        let name = |mean| {
            let starts = groups.iter().map(|group| group.from);
            groups[position(starts, mean)].name.as_str()
        };
        assert_eq!(name(0.0), "0-9");
        assert_eq!(name(10.0_f64.next_down()), "0-9");
        assert_eq!(name(10.0), "10-19");
        assert_eq!(name(30.0), "20+");
        assert_eq!(name(300.0), "20+");
    }

    #[test]
    fn a_support_need_not_begin_on_a_decade() {
        let support = AgeSupport::new(18.0, 65.0).unwrap();
        let means = [18.0, 25.0, 35.0, 45.0, 55.0, 65.0];
        let expected = ["18-19", "20-29", "30-39", "40-49", "50-59", "60+"];
        assert_eq!(names(support, 1, &means), expected);
    }

    #[test]
    fn a_slice_stands_before_its_years() {
        let support = AgeSupport::default();
        let name = |slice, from, to| Group::new(support, slice, from, to).name;
        assert_eq!(name(Slice::Female, 20.0, 30.0), "female 20-29");
        assert_eq!(name(Slice::Male, 0.0, 116.0), "male");
        assert_eq!(name(Slice::Label("clinic".into()), 0.0, 116.0), "clinic");
    }

    #[test]
    fn names_are_read_back() {
        for grouping in Grouping::ALL {
            assert_eq!(grouping.to_string().parse(), Ok(grouping));
        }
        assert!("decade".parse::<Grouping>().is_err());
    }

    proptest! {
        #[test]
        fn groups_partition_the_axis_and_are_large_enough(
            lower in 0..40_u32,
            length in 1..90_u32,
            min_group in 0..30_usize,
            places in prop::collection::vec(0.0..=1.0_f64, 0..200),
        ) {
            let (lower, upper) = (f64::from(lower), f64::from(lower + length));
            let support = AgeSupport::new(lower, upper).unwrap();
            let means: Vec<f64> =
                places.iter().map(|place| support.clamp(lower + place * (upper - lower))).collect();
            let groups = groups(support, min_group, &means);

            prop_assert_eq!(groups[0].from, lower);
            prop_assert_eq!(groups[groups.len() - 1].to, upper);
            for pair in groups.windows(2) {
                prop_assert_eq!(pair[0].to, pair[1].from);
                prop_assert_eq!(pair[0].to % 10.0, 0.0);
            }
            let mut members = vec![0; groups.len()];
            for mean in means {
                let position = position(groups.iter().map(|group| group.from), mean);
                // Counted anew from the documented bounds: inside this one and no other.
                let last = groups.len() - 1;
                let inside: Vec<usize> = (0..groups.len())
                    .filter(|&i| {
                        let (from, to) = (groups[i].from, groups[i].to);
                        from <= mean && (mean < to || (i == last && mean == to))
                    })
                    .collect();
                prop_assert_eq!(inside, vec![position]);
                members[position] += 1;
            }
            prop_assert!(groups.len() == 1 || members.iter().all(|&n| n >= min_group));
        }
    }
}
