//! `agespan.calibrator.v1.CalibratorService`.

mod convert;
mod coverage;
mod fit;
mod peers;
mod shifted;

use std::sync::Arc;

use agespan_conformal::diff;
use agespan_proto::calibrator::v1 as proto;
use agespan_proto::calibrator::v1::calibrator_service_server::{
    CalibratorService, CalibratorServiceServer, SERVICE_NAME,
};
use agespan_service::page::{self, PageLimits};
use agespan_service::{Component, status, transport};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tonic::{Request, Response, Status, Streaming};

pub use peers::Peers;
pub use shifted::predict as predict_shifted;

use convert::Brought;

use crate::{Active, Monitors, Publication, Published, Record, Registry};

/// Largest number of predictions in one call of PredictIntervals.
const MAX_PREDICTIONS: usize = 10_000;
/// Largest request: forty thousand predictions with their distributions.
const MAX_REQUEST_BYTES: usize = 32 << 20;
/// What health calls the drift alarm: NOT_SERVING while one is on.
const DRIFT_HEALTH: &str = "agespan.calibrator.v1.Drift";

struct Transport {
    registry: Registry,
    publication: Publication,
    monitors: Monitors,
    peers: Peers,
}

/// The service as a component.
pub(crate) fn component(
    registry: Registry,
    publication: Publication,
    monitors: Monitors,
    peers: Peers,
) -> Component {
    let background = publication.clone();
    let calm = monitors.calm();
    let transport = Transport { registry, publication, monitors, peers };
    Component::new(SERVICE_NAME, |routes| {
        let server = CalibratorServiceServer::new(transport);
        routes.add_service(server.max_decoding_message_size(MAX_REQUEST_BYTES));
    })
    .with_health(DRIFT_HEALTH, calm)
    .with_background(move |stop| background.keep_fresh(stop))
}

impl Transport {
    async fn describe(&self, id: &str) -> Result<proto::Calibration, Status> {
        let published = self.publication.get(id).await.map_err(convert::registry_error)?;
        Ok(self.of(&published))
    }

    /// The calibration that the field `calibration` names.
    async fn published(&self, name: &str) -> Result<Arc<Published>, Status> {
        self.published_as("calibration", name).await
    }

    async fn published_as(&self, field: &str, name: &str) -> Result<Arc<Published>, Status> {
        let id = id(field, name)?;
        self.publication.get(id).await.map_err(convert::registry_error)
    }

    fn of(&self, published: &Published) -> proto::Calibration {
        let active = self.publication.is_active(&published.record);
        convert::calibration(&published.record, &published.document, active)
    }

    async fn publish(&self, record: &Record) -> Result<proto::Calibration, Status> {
        self.publication.refresh().await.map_err(convert::registry_error)?;
        self.describe(&record.id).await
    }
}

fn id<'a>(field: &str, name: &'a str) -> Result<&'a str, Status> {
    status::resource_id(field, "calibrations", name)
}

#[tonic::async_trait]
impl CalibratorService for Transport {
    type WatchCalibrationStream =
        BoxStream<'static, Result<proto::WatchCalibrationResponse, Status>>;

    async fn fit_calibration(
        &self,
        request: Request<Streaming<proto::FitCalibrationRequest>>,
    ) -> Result<Response<proto::FitCalibrationResponse>, Status> {
        let fitted = fit::fit(request.into_inner(), &self.peers).await?;
        let document = fitted.document;
        let record = self.registry.insert(&document).await.map_err(convert::registry_error)?;
        let active = self.publication.is_active(&record);
        let calibration = Some(convert::calibration(&record, &document, active));
        Ok(Response::new(proto::FitCalibrationResponse {
            calibration,
            range_labelled_count: fitted.ranges,
            skipped_count: fitted.skipped,
        }))
    }

    async fn predict_intervals(
        &self,
        request: Request<proto::PredictIntervalsRequest>,
    ) -> Result<Response<proto::PredictIntervalsResponse>, Status> {
        let request = request.into_inner();
        let coverage = transport::coverage(request.coverage)?;
        if !(1..=MAX_PREDICTIONS).contains(&request.predictions.len()) {
            let message = format!("send 1 to {MAX_PREDICTIONS}, not {}", request.predictions.len());
            return Err(status::invalid("predictions", "COUNT", message));
        }
        let published = self.published(&request.calibration).await?;
        let document = &published.document;
        if !request.model.is_empty() && request.model != document.model {
            let message =
                format!("it is for {}, these predictions are {}'s", document.model, request.model);
            return Err(status::precondition("OTHER_MODEL", &request.calibration, message));
        }
        let spec = document.calibration.spec();
        let at = document.calibration.at(coverage);
        let interval = |(index, row): (usize, &proto::UnlabelledPrediction)| {
            let field = format!("predictions[{index}]");
            let prediction = Brought::from(row).check(&field, &spec)?;
            Ok(transport::interval_to_proto(at.interval(&prediction)))
        };
        let intervals = request.predictions.iter().enumerate().map(interval);
        let intervals = intervals.collect::<Result<_, Status>>()?;
        Ok(Response::new(proto::PredictIntervalsResponse { intervals }))
    }

    async fn get_calibration(
        &self,
        request: Request<proto::GetCalibrationRequest>,
    ) -> Result<Response<proto::GetCalibrationResponse>, Status> {
        let request = request.get_ref();
        let published = self.published_as("name", &request.name).await?;
        let document = match request.include_document {
            true => published.bytes.clone(),
            false => Bytes::new(),
        };
        let calibration = Some(self.of(&published));
        Ok(Response::new(proto::GetCalibrationResponse { calibration, document }))
    }

    async fn diff_calibrations(
        &self,
        request: Request<proto::DiffCalibrationsRequest>,
    ) -> Result<Response<proto::DiffCalibrationsResponse>, Status> {
        let request = request.get_ref();
        let coverage = transport::coverage(request.coverage)?;
        let base = self.published_as("base", &request.base).await?;
        let candidate = self.published_as("candidate", &request.candidate).await?;
        let groups = diff(&base.document.calibration, &candidate.document.calibration, coverage);
        Ok(Response::new(proto::DiffCalibrationsResponse {
            base: Some(self.of(&base)),
            candidate: Some(self.of(&candidate)),
            groups: groups.into_iter().map(convert::group_diff).collect(),
        }))
    }

    async fn list_calibrations(
        &self,
        request: Request<proto::ListCalibrationsRequest>,
    ) -> Result<Response<proto::ListCalibrationsResponse>, Status> {
        let request = request.into_inner();
        let mut records = self.registry.list().await.map_err(convert::registry_error)?;
        records.retain(|record| request.model.is_empty() || record.model == request.model);
        let (records, next_page_token) = page::of(
            records,
            |record| record.id.clone(),
            request.page_size,
            &request.page_token,
            PageLimits::USUAL,
        )?;
        let mut calibrations = Vec::with_capacity(records.len());
        for record in &records {
            calibrations.push(self.describe(&record.id).await?);
        }
        Ok(Response::new(proto::ListCalibrationsResponse { calibrations, next_page_token }))
    }

    async fn activate_calibration(
        &self,
        request: Request<proto::ActivateCalibrationRequest>,
    ) -> Result<Response<proto::ActivateCalibrationResponse>, Status> {
        let id = id("name", &request.get_ref().name)?;
        let record = self.registry.activate(id).await.map_err(convert::registry_error)?;
        let calibration = Some(self.publish(&record).await?);
        Ok(Response::new(proto::ActivateCalibrationResponse { calibration }))
    }

    async fn rollback_calibration(
        &self,
        request: Request<proto::RollbackCalibrationRequest>,
    ) -> Result<Response<proto::RollbackCalibrationResponse>, Status> {
        let model = &request.get_ref().model;
        let record = self.registry.roll_back(model).await.map_err(convert::registry_error)?;
        let calibration = Some(self.publish(&record).await?);
        Ok(Response::new(proto::RollbackCalibrationResponse { calibration }))
    }

    async fn watch_calibration(
        &self,
        _request: Request<proto::WatchCalibrationRequest>,
    ) -> Result<Response<Self::WatchCalibrationStream>, Status> {
        self.publication.refresh().await.map_err(convert::registry_error)?;
        let mut active = self.publication.subscribe();
        active.mark_changed();
        let changes =
            stream::unfold((active, Active::default()), |(mut active, sent)| async move {
                active.changed().await.ok()?;
                let present = active.borrow_and_update().clone();
                let news = news(&sent, &present);
                Some((stream::iter(news), (active, present)))
            });
        Ok(Response::new(changes.flatten().boxed()))
    }

    async fn report_outcomes(
        &self,
        request: Request<proto::ReportOutcomesRequest>,
    ) -> Result<Response<proto::ReportOutcomesResponse>, Status> {
        let request = request.into_inner();
        let stream = coverage::stream(&request.stream)?;
        let published = self.published(&request.calibration).await?;
        let outcomes = coverage::outcomes(request.outcomes, &published.document)?;
        let reported = self.monitors.report(&published, stream, &outcomes).await;
        let accepted = reported.map_err(status::from_storage)?;
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Response::new(proto::ReportOutcomesResponse {
            accepted: count(accepted),
            repeated: count(outcomes.len() - accepted),
        }))
    }

    async fn get_coverage(
        &self,
        request: Request<proto::GetCoverageRequest>,
    ) -> Result<Response<proto::GetCoverageResponse>, Status> {
        let request = request.into_inner();
        let stream = coverage::stream(&request.stream)?;
        let id = id("calibration", &request.calibration)?;
        let Some(monitor) = self.monitors.get(id, stream).await else {
            let message = format!("nothing was reported for {} in {stream}", request.calibration);
            return Err(status::not_found("stream", stream, message));
        };
        Ok(Response::new(coverage::coverage(&monitor)))
    }

    async fn predict_shifted_intervals(
        &self,
        request: Request<proto::PredictShiftedIntervalsRequest>,
    ) -> Result<Response<proto::PredictShiftedIntervalsResponse>, Status> {
        // Tens of thousands of rows: not on a thread that others wait for.
        let predict = tokio::task::spawn_blocking(move || shifted::predict(request.get_ref()));
        let answer = predict.await.map_err(|error| status::internal(&error))??;
        Ok(Response::new(answer))
    }
}

/// What a watcher who knows `sent` has not been told yet. The document goes once.
fn news(sent: &Active, present: &Active) -> Vec<Result<proto::WatchCalibrationResponse, Status>> {
    let mut news = Vec::new();
    for (model, published) in &present.calibrations {
        let id = &published.record.id;
        let levels = present.levels.get(id);
        let is_known = sent.calibrations.get(model).is_some_and(|old| old.record.id == *id);
        if is_known && sent.levels.get(id) == levels {
            continue;
        }
        let level = |(stream, &miscoverage): (&String, &f64)| proto::StreamLevel {
            stream: stream.clone(),
            miscoverage,
        };
        let calibration = convert::calibration(&published.record, &published.document, true);
        news.push(Ok(proto::WatchCalibrationResponse {
            calibration: Some(calibration),
            document: if is_known { Bytes::new() } else { published.bytes.clone() },
            levels: levels.into_iter().flatten().map(level).collect(),
        }));
    }
    news
}
