//! What an OpenTelemetry collector is told: a real one by its protocol, made for the test.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use agespan_client::proto::calibrator::v1 as proto;
use agespan_tests::Sandbox;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point::Value};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// The last value of each gauge, and how many attributes it has.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<std::collections::BTreeMap<String, (f64, usize)>>>);

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let resources = request.into_inner().resource_metrics.into_iter();
        let metrics = resources.flat_map(|of| of.scope_metrics).flat_map(|of| of.metrics);
        for metric in metrics {
            let Some(Data::Gauge(gauge)) = metric.data else { continue };
            for point in gauge.data_points {
                let value = match point.value {
                    Some(Value::AsInt(value)) => value as f64,
                    Some(Value::AsDouble(value)) => value,
                    None => continue,
                };
                let of = (value, point.attributes.len());
                self.0.lock().unwrap().insert(metric.name.clone(), of);
            }
        }
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

impl Collector {
    /// Waits until a gauge has a value.
    async fn until(&self, name: &str, value: f64) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let found = self.0.lock().unwrap().get(name).copied();
            if found == Some((value, 2)) {
                return;
            }
            assert!(Instant::now() < deadline, "{name} is {found:?}, not {value}");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

fn outcome(index: usize, truth: f64) -> proto::Outcome {
    let mut distribution = vec![0.0; 117];
    (distribution[39], distribution[40], distribution[41]) = (0.25, 0.5, 0.25);
    let prediction = proto::UnlabelledPrediction { distribution, ..Default::default() };
    proto::Outcome { prediction_id: format!("p{index}"), prediction: Some(prediction), truth }
}

#[tokio::test]
async fn the_drift_alarm_reaches_a_collector() {
    let collector = Collector::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let service = MetricsServiceServer::new(collector.clone());
    let serving = Server::builder()
        .add_service(service)
        .serve_with_incoming(TcpListenerStream::new(listener));
    let serving = tokio::spawn(serving);

    let sandbox = Sandbox::new().await;
    let arguments = ["--otlp-endpoint", &endpoint, "--metrics-seconds", "1"];
    let server = sandbox.start("agespan-conformal-calibrator", &arguments).await;
    let mut client = server.client.calibrator();
    let list = client.list_calibrations(proto::ListCalibrationsRequest::default()).await.unwrap();
    let calibration = list.into_inner().calibrations[0].name.clone();
    let mut report = async |from: usize, count: usize, truth: f64| {
        let outcomes = (from..from + count).map(|index| outcome(index, truth)).collect();
        let calibration = calibration.clone();
        let request = proto::ReportOutcomesRequest { calibration, outcomes, ..Default::default() };
        client.report_outcomes(request).await.unwrap();
    };
    report(0, 4, 40.0).await;
    collector.until("agespan.calibrator.outcomes", 4.0).await;
    collector.until("agespan.calibrator.coverage", 1.0).await;
    collector.until("agespan.calibrator.drift_alarm", 0.0).await;
    report(4, 500, 90.0).await;
    collector.until("agespan.calibrator.drift_alarm", 1.0).await;
    serving.abort();
}
