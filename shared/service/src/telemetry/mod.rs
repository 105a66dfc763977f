//! Logs to stderr; traces and metrics to a collector when one is named, metrics to Prometheus when it
//! may ask.
//!
//! * `filter`: what is logged.
//! * `trace`: one trace through all processes.
//! * `calls`: how long calls take and how they end.
//! * `exporters`: where traces and metrics go.
//! * `page`: what Prometheus reads.
//!
//! Metrics are asked of `opentelemetry::global`, so that a service needs no handle for them; without
//! a collector they cost next to nothing.

pub(crate) mod calls;
mod exporters;
pub(crate) mod filter;
pub(crate) mod page;
pub(crate) mod trace;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use opentelemetry::global;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use prometheus::Registry;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use self::filter::Filter;

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
    /// A file with such filters, in the place of --log as long as it is there: what is logged while the
    /// process runs is changed by changing it.
    #[arg(long, env = "AGESPAN_LOG_FILTER_FILE", value_name = "FILE")]
    pub log_filter_file: Option<PathBuf>,
    /// How log lines look.
    #[arg(long, env = "AGESPAN_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// OTLP collector for traces and metrics, http://host:4317; none by default.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// Seconds between two sendings of metrics.
    #[arg(long, env = "AGESPAN_METRICS_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub metrics_seconds: u64,
    /// Address of a page of metrics for Prometheus, http://ADDRESS/metrics; none by default. It tells
    /// nothing of photos and asks for no token.
    #[arg(long, env = "AGESPAN_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
    /// What traces and metrics call this process.
    #[arg(long, env = "OTEL_SERVICE_NAME", default_value = "agespan")]
    pub service_name: String,
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
    /// What the page for Prometheus shows, where there is one.
    pub(crate) registry: Option<Registry>,
    /// What is logged.
    pub(crate) filter: Option<Filter>,
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
    let (filter, filtered) = Filter::new(config)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match config.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let registry = config.metrics_listen.map(|_| Registry::new());
    let traces = exporters::traces(config)?;
    let metrics = exporters::metrics(config, registry.as_ref())?;
    if let Some(provider) = &metrics {
        global::set_meter_provider(provider.clone());
    }
    global::set_text_map_propagator(TraceContextPropagator::new());
    let spans = traces
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("agespan")));
    let _ = tracing_subscriber::registry().with(filtered).with(spans).with(lines).try_init();
    Ok(Telemetry { traces, metrics, registry, filter: Some(filter) })
}
