//! Logs to stderr, and traces and metrics to a collector when one is named.
//!
//! Metrics are asked of `opentelemetry::global`, so that a service needs no handle for them; without
//! a collector they cost next to nothing.

use std::time::Duration;

use clap::{Args, ValueEnum};
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Settings of logs, traces and metrics.
#[derive(Args, Clone, Debug)]
pub struct TelemetryConfig {
    /// What is logged, as tracing's filters: "info", "agespan_jobs=debug,info".
    #[arg(long, env = "AGESPAN_LOG", default_value = "info")]
    pub log: String,
    /// How log lines look.
    #[arg(long, env = "AGESPAN_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// OTLP collector for traces and metrics, http://host:4317; none by default.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// Seconds between two sendings of metrics.
    #[arg(long, env = "AGESPAN_METRICS_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub metrics_seconds: u64,
}

/// Why telemetry cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The filter cannot be understood.
    #[error(
        "cannot understand the log filter; write it like \"info\" or \"agespan_jobs=debug,info\""
    )]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The exporter cannot be made.
    #[error("cannot make the OTLP exporter; check the collector's URL")]
    Exporter(#[from] ExporterBuildError),
}

/// Sends what is left when it is dropped.
#[derive(Debug)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(traces) = self.traces.take() {
            let _ = traces.shutdown();
        }
        if let Some(metrics) = self.metrics.take() {
            let _ = metrics.shutdown();
        }
    }
}

/// Starts telemetry for the process. A second start in one process (tests) leaves the first.
pub fn start(config: &TelemetryConfig) -> Result<Telemetry, TelemetryError> {
    let filter: EnvFilter = EnvFilter::builder().parse(&config.log)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match config.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let traces = config.otlp_endpoint.as_deref().map(traces).transpose()?;
    let every = Duration::from_secs(config.metrics_seconds);
    let metrics =
        config.otlp_endpoint.as_deref().map(|endpoint| metrics(endpoint, every)).transpose()?;
    if let Some(provider) = &metrics {
        opentelemetry::global::set_meter_provider(provider.clone());
    }
    let spans = traces
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("agespan")));
    let _ = tracing_subscriber::registry().with(spans).with(lines).with(filter).try_init();
    Ok(Telemetry { traces, metrics })
}

fn traces(endpoint: &str) -> Result<SdkTracerProvider, ExporterBuildError> {
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource()).build())
}

fn metrics(endpoint: &str, every: Duration) -> Result<SdkMeterProvider, ExporterBuildError> {
    let exporter = MetricExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
    let reader = PeriodicReader::builder(exporter).with_interval(every).build();
    Ok(SdkMeterProvider::builder().with_resource(resource()).with_reader(reader).build())
}

fn resource() -> Resource {
    Resource::builder().with_service_name("agespan").build()
}
