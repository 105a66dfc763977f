//! ReportOutcomes and GetCoverage between the protocol's words and the domain's.

use std::collections::BTreeSet;

use agespan_conformal::Document;
use agespan_proto::calibrator::v1 as proto;
use agespan_service::status;
use tonic::Status;

use super::convert::Brought;
use crate::monitor::{FALSE_ALARMS, Monitor, NOMINAL, Outcome, Tally};

const MAX_OUTCOMES: usize = 1000;
const LONGEST_STREAM: usize = 64;
const LONGEST_ID: usize = 128;

pub(super) fn stream(name: &str) -> Result<&str, Status> {
    match name {
        "" => Ok("default"),
        name if name.len() > LONGEST_STREAM => {
            let message = format!("a stream's name has at most {LONGEST_STREAM} bytes");
            Err(status::invalid("stream", "STREAM", message))
        }
        name => Ok(name),
    }
}

/// All outcomes checked, before any is counted.
pub(super) fn outcomes(
    reported: Vec<proto::Outcome>,
    document: &Document,
) -> Result<Vec<Outcome>, Status> {
    if !(1..=MAX_OUTCOMES).contains(&reported.len()) {
        let message = format!("send 1 to {MAX_OUTCOMES}, not {}", reported.len());
        return Err(status::invalid("outcomes", "COUNT", message));
    }
    let mut ids = BTreeSet::new();
    let (spec, support) = (document.calibration.spec(), document.calibration.support());
    let check = |(index, reported): (usize, proto::Outcome)| {
        let field = format!("outcomes[{index}]");
        let id = reported.prediction_id;
        if !(1..=LONGEST_ID).contains(&id.len()) {
            let message = format!("an id has 1 to {LONGEST_ID} bytes");
            return Err(status::invalid(&format!("{field}.prediction_id"), "ID", message));
        }
        if !ids.insert(id.clone()) {
            let message = format!("{id:?} stands twice in this report");
            return Err(status::invalid(&format!("{field}.prediction_id"), "ID_TWICE", message));
        }
        let prediction = reported.prediction.unwrap_or_default();
        let prediction = Brought::from(&prediction).check(&format!("{field}.prediction"), &spec)?;
        if !support.contains(reported.truth) {
            let message = format!(
                "the true age must be {} to {} years, got {}",
                support.lower(),
                support.upper(),
                reported.truth
            );
            return Err(status::invalid(&format!("{field}.truth"), "TRUTH", message));
        }
        Ok(Outcome { id, prediction, truth: reported.truth })
    };
    reported.into_iter().enumerate().map(check).collect()
}

pub(super) fn coverage(monitor: &Monitor) -> proto::GetCoverageResponse {
    let live = |group: &str, tally: &Tally| {
        let (lower, upper) = tally.bounds();
        proto::LiveCoverage {
            group: group.to_owned(),
            count: tally.count,
            covered: tally.covered,
            lower,
            upper,
            mean_width: tally.width / tally.count.max(1) as f64,
        }
    };
    proto::GetCoverageResponse {
        nominal: NOMINAL.as_f64(),
        overall: Some(live("all", &monitor.overall)),
        groups: monitor.groups.iter().map(|(group, tally)| live(group, tally)).collect(),
        adaptive: Some(proto::AdaptiveCoverage {
            miscoverage: monitor.adaptive.miscoverage(),
            outcomes: monitor.adaptive.outcomes(),
            misses: monitor.adaptive.misses(),
        }),
        drift: Some(proto::Drift {
            capital: monitor.drift.capital(),
            greatest: monitor.drift.greatest(),
            alarm: monitor.is_alarming(),
            false_alarm_rate: FALSE_ALARMS,
        }),
    }
}
