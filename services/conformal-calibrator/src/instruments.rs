//! What a collector is told of the monitors, by calibration and stream. Streams are of the callers'
//! naming: few are expected.

use opentelemetry::metrics::Gauge;
use opentelemetry::{KeyValue, global};

use crate::monitor::Monitor;

/// The metrics of monitors.
#[derive(Clone, Debug)]
pub(crate) struct Instruments {
    outcomes: Gauge<u64>,
    coverage: Gauge<f64>,
    miscoverage: Gauge<f64>,
    alarm: Gauge<u64>,
}

impl Instruments {
    pub(crate) fn new() -> Self {
        let meter = global::meter("agespan.calibrator");
        Self {
            outcomes: meter
                .u64_gauge("agespan.calibrator.outcomes")
                .with_description("True ages that became known")
                .build(),
            coverage: meter
                .f64_gauge("agespan.calibrator.coverage")
                .with_description("Share of them inside their 90 % interval")
                .build(),
            miscoverage: meter
                .f64_gauge("agespan.calibrator.adaptive_miscoverage")
                .with_description("The miscoverage to answer the stream at")
                .build(),
            alarm: meter
                .u64_gauge("agespan.calibrator.drift_alarm")
                .with_description("1 once faces are not like those at calibration")
                .build(),
        }
    }

    pub(crate) fn tell(&self, monitor: &Monitor) {
        let of = [
            KeyValue::new("calibration", monitor.calibration.clone()),
            KeyValue::new("stream", monitor.stream.clone()),
        ];
        let overall = monitor.overall;
        self.outcomes.record(overall.count, &of);
        if overall.count > 0 {
            self.coverage.record(overall.covered as f64 / overall.count as f64, &of);
        }
        self.miscoverage.record(monitor.adaptive.miscoverage(), &of);
        self.alarm.record(monitor.is_alarming().into(), &of);
    }
}
