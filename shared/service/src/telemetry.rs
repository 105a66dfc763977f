//! Logs to stderr, and traces to a collector when one is named.

use clap::{Args, ValueEnum};
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
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

/// Settings of logs and traces.
#[derive(Args, Clone, Debug)]
pub struct TelemetryConfig {
    /// What is logged, as tracing's filters: "info", "agespan_jobs=debug,info".
    #[arg(long, env = "AGESPAN_LOG", default_value = "info")]
    pub log: String,
    /// How log lines look.
    #[arg(long, env = "AGESPAN_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// OTLP collector for traces, http://host:4317; none by default.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
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
pub struct Telemetry(Option<SdkTracerProvider>);

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = self.0.take() {
            let _ = provider.shutdown();
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
    let provider = config.otlp_endpoint.as_deref().map(provider).transpose()?;
    let spans = provider
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("agespan")));
    let _ = tracing_subscriber::registry().with(spans).with(lines).with(filter).try_init();
    Ok(Telemetry(provider))
}

fn provider(endpoint: &str) -> Result<SdkTracerProvider, ExporterBuildError> {
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
    let resource = Resource::builder().with_service_name("agespan").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}
