//! Where decades begin, and which are merged.

use crate::AgeSupport;

/// Years in a decade.
const DECADE: f64 = 10.0;

/// How many of the cuts, which are a decade apart, lie at or below an age. A product says nearly
/// which, the cuts themselves say exactly.
#[inline]
pub(crate) fn decade_of(cuts: &[f64], age: f64) -> usize {
    let Some(first) = cuts.first() else { return 0 };
    // A float becomes the nearest whole number that there is; one below 0 becomes 0.
    let mut decade = (((age - first) * (1.0 / DECADE) + 1.0) as usize).min(cuts.len());
    while decade < cuts.len() && cuts[decade] <= age {
        decade += 1;
    }
    while decade > 0 && cuts[decade - 1] > age {
        decade -= 1;
    }
    decade
}

/// Where decades begin strictly inside the support. A support that ends on a whole decade gets no
/// group for that one point.
pub(crate) fn decade_cuts(support: AgeSupport) -> Vec<f64> {
    let first = (support.lower() / DECADE).floor() as u32 + 1;
    (first..)
        .map(|decade| f64::from(decade) * DECADE)
        .take_while(|&cut| cut < support.upper())
        .collect()
}

/// The cuts that remain after merging: from the oldest decade down, a group is closed as soon as
/// it has `min_group` members; what is left over at the young end joins the group above it.
pub(super) fn merge(cuts: &[f64], counts: &[usize], min_group: usize) -> Vec<f64> {
    let mut kept = Vec::new();
    let mut members = 0;
    // counts[i + 1] are the members above cuts[i].
    for (cut, count) in cuts.iter().zip(&counts[1..]).rev() {
        members += count;
        if members >= min_group {
            kept.push(*cut);
            members = 0;
        }
    }
    if members + counts[0] < min_group {
        kept.pop();
    }
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decade_is_found_by_its_cuts() {
        for lower in [0.0, 18.0] {
            let cuts = decade_cuts(AgeSupport::new(lower, 116.0).unwrap());
            let edges = cuts.iter().flat_map(|cut| [cut.next_down(), *cut, cut.next_up()]);
            for age in edges.chain([-5.0, 0.0, 18.0, 55.5, 116.0, 1e9]) {
                let counted = cuts.iter().filter(|cut| **cut <= age).count();
                assert_eq!(decade_of(&cuts, age), counted, "{age}");
            }
        }
        assert_eq!(decade_of(&[], 30.0), 0);
    }
}
