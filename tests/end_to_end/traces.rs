//! One request is one trace, through services and through the job queue; and what it took is counted. A
//! collector by its own protocol, made for the test.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use agespan_client::proto::calibrator::v1 as calibrator;
use agespan_client::proto::calibrator::v1::fit_calibration_request::Part;
use agespan_client::proto::job::v1::JobState;
use agespan_tests::{Sandbox, free_address};
use futures_util::stream;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status};

use crate::generator;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// Every span, with the name of the process that it is from.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<(String, Span)>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for of in request.into_inner().resource_spans {
            let attributes = of.resource.unwrap_or_default().attributes;
            let name = attributes.into_iter().find(|of| of.key == "service.name").unwrap();
            let name = format!("{:?}", name.value.unwrap().value.unwrap());
            let spans = of.scope_spans.into_iter().flat_map(|of| of.spans);
            self.0.lock().unwrap().extend(spans.map(|span| (name.clone(), span)));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    async fn start() -> (Self, String) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let service = TraceServiceServer::new(collector.clone());
        let incoming = TcpListenerStream::new(listener);
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
        (collector, endpoint)
    }

    /// Waits for a span of the test's trace from a process.
    async fn until(&self, process: &str, name: &str) -> Span {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let found = self.0.lock().unwrap().iter().find_map(|(from, span)| {
                let is_it =
                    from.contains(process) && span.name == name && span.trace_id == bytes(TRACE);
                is_it.then(|| span.clone())
            });
            if let Some(span) = found {
                return span;
            }
            let all = format!("{:?}", self.0.lock().unwrap());
            assert!(Instant::now() < deadline, "no {name} from {process} in {all}");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// A request from somebody whose trace it is part of.
fn traced<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let parent = format!("00-{TRACE}-{CALLER}-01");
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    request
}

#[tokio::test]
async fn a_request_and_those_it_leads_to_are_one_trace() {
    let (collector, endpoint) = Collector::start().await;
    let sandbox = Sandbox::new().await;
    let told = ["--otlp-endpoint", &endpoint, "--service-name"];
    let dataset = sandbox.start("agespan-dataset", &[&told[..], &["the-dataset"]].concat()).await;
    let peer = ["the-calibrator", "--dataset-url", &dataset.url];
    let server =
        sandbox.start("agespan-conformal-calibrator", &[&told[..], &peer[..]].concat()).await;

    let spec =
        calibrator::CalibrationSpec { dataset: "datasets/none".into(), ..Default::default() };
    let request = calibrator::FitCalibrationRequest { part: Some(Part::Spec(spec)) };
    let request = traced(stream::iter([request]));
    let refused = server.client.calibrator().fit_calibration(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "{refused}");

    let fit = "agespan.calibrator.v1.CalibratorService/FitCalibration";
    let first = collector.until("the-calibrator", fit).await;
    assert_eq!(first.parent_span_id, bytes(CALLER));
    let second =
        collector.until("the-dataset", "agespan.dataset.v1.DatasetService/GetSplits").await;
    assert_eq!(second.parent_span_id, first.span_id);
    // Log lines say which trace they belong to.
    assert!(dataset.log().contains(TRACE) || server.log().contains(TRACE), "{}", server.log());
}

#[tokio::test]
async fn a_job_belongs_to_the_trace_of_whoever_asked_for_it() {
    let (collector, endpoint) = Collector::start().await;
    let sandbox = Sandbox::new().await;
    let told = ["--otlp-endpoint", &endpoint, "--service-name"];
    let server = ["the-server", "--role", "server"];
    let server = sandbox.start(generator::PROGRAM, &[&told[..], &server].concat()).await;
    let _pipeline = generator::add(&server, generator::save(&sandbox, "tiny", 1)).await.unwrap();
    let request = traced(generator::asked(2, 2));
    let answer = server.client.generator().generate_faces(request).await.unwrap();
    let job = answer.into_inner().job.unwrap();
    let worker = [&told[..], &["the-worker"], &generator::WORKER].concat();
    let _worker = sandbox.start(generator::PROGRAM, &worker).await;
    server.until(&job.name, |job| job.state() == JobState::Succeeded).await;

    let asked = "agespan.generator.v1.GeneratorService/GenerateFaces";
    let asked = collector.until("the-server", asked).await;
    let work = collector.until("the-worker", "job").await;
    assert_eq!(work.trace_id, asked.trace_id);
}

/// What a page of Prometheus says of a metric.
pub(crate) async fn scraped(address: &str, metric: &str) -> Vec<String> {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut page = String::new();
    connection.read_to_string(&mut page).await.unwrap();
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    page.lines().filter(|line| line.starts_with(metric)).map(str::to_owned).collect()
}

#[tokio::test]
async fn prometheus_reads_how_long_calls_took_and_how_they_ended() {
    let sandbox = Sandbox::new().await;
    let free = free_address();
    let server = sandbox.start("agespan-conformal-calibrator", &["--metrics-listen", &free]).await;
    let mut client = server.client.calibrator();
    client.list_calibrations(calibrator::ListCalibrationsRequest::default()).await.unwrap();
    let unknown = calibrator::GetCalibrationRequest { name: "x".into(), ..Default::default() };
    client.get_calibration(unknown).await.unwrap_err();

    let counts = scraped(&free, "rpc_server_call_duration_seconds_count").await;
    for (method, status) in [("ListCalibrations", "OK"), ("GetCalibration", "INVALID_ARGUMENT")] {
        let line = counts.iter().find(|line| line.contains(&format!("/{method}\"")));
        let line = line.unwrap_or_else(|| panic!("no {method} in {counts:?}"));
        assert!(line.contains(&format!("\"{status}\"")) && line.ends_with(" 1"), "{line}");
    }
}
