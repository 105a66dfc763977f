//! PredictShiftedIntervals' request, to its answer. Lists are repeated to the length that is asked of
//! them, which no mutation would reach.
#![no_main]

use agespan_conformal_calibrator::transport::predict_shifted;
use agespan_proto::calibrator::v1::PredictShiftedIntervalsRequest;
use libfuzzer_sys::{Corpus, fuzz_target};
use prost::Message;

const LEAST: usize = 50;

fn repeated<T: Clone>(rows: &mut Vec<T>) {
    if !rows.is_empty() && rows.len() < LEAST {
        *rows = rows.iter().cycle().take(LEAST).cloned().collect();
    }
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let Ok(mut request) = PredictShiftedIntervalsRequest::decode(data) else {
        return Corpus::Reject;
    };
    repeated(&mut request.source);
    repeated(&mut request.target);
    repeated(&mut request.calibration);
    if let Ok(answer) = predict_shifted(&request) {
        assert_eq!(answer.intervals.len(), request.predictions.len());
        for interval in &answer.intervals {
            assert!(interval.lower <= interval.upper, "{interval:?}");
            assert!((0.0..=116.0).contains(&interval.lower), "{interval:?}");
            assert!((0.0..=116.0).contains(&interval.upper), "{interval:?}");
        }
    }
    Corpus::Keep
});
