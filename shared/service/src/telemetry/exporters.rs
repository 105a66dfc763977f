//! Where traces and metrics go.

use std::time::Duration;

use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{MeterProviderBuilder, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use prometheus::Registry;

use super::TelemetryConfig;

/// Traces to the collector, where one is named. They wait in a bounded queue and are dropped when a
/// collector does not take them: no request waits for it.
pub(super) fn traces(
    config: &TelemetryConfig,
) -> Result<Option<SdkTracerProvider>, ExporterBuildError> {
    let Some(endpoint) = &config.otlp_endpoint else { return Ok(None) };
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource(config))
        .build();
    Ok(Some(provider))
}

/// Metrics to the collector, and into a registry for Prometheus, where either is wanted.
pub(super) fn metrics(
    config: &TelemetryConfig,
    registry: Option<&Registry>,
) -> Result<Option<SdkMeterProvider>, ExporterBuildError> {
    let mut provider = SdkMeterProvider::builder().with_resource(resource(config));
    if let Some(endpoint) = &config.otlp_endpoint {
        let exporter = MetricExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
        let every = Duration::from_secs(config.metrics_seconds);
        provider =
            provider.with_reader(PeriodicReader::builder(exporter).with_interval(every).build());
    }
    if let Some(registry) = registry {
        provider = with_registry(provider, registry)?;
    }
    let wanted = config.otlp_endpoint.is_some() || registry.is_some();
    Ok(wanted.then(|| provider.build()))
}

fn with_registry(
    provider: MeterProviderBuilder,
    registry: &Registry,
) -> Result<MeterProviderBuilder, ExporterBuildError> {
    let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build();
    let exporter =
        exporter.map_err(|error| ExporterBuildError::InternalFailure(error.to_string()))?;
    Ok(provider.with_reader(exporter))
}

fn resource(config: &TelemetryConfig) -> Resource {
    Resource::builder().with_service_name(config.service_name.clone()).build()
}
