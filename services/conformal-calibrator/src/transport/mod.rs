//! `agespan.calibrator.v1.CalibratorService`.

mod convert;
mod fit;
mod peers;

use agespan_proto::calibrator::v1 as proto;
use agespan_proto::calibrator::v1::calibrator_service_server::{
    CalibratorService, CalibratorServiceServer, SERVICE_NAME,
};
use agespan_service::page::{self, PageLimits};
use agespan_service::{Component, status, transport};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tonic::{Request, Response, Status, Streaming};

pub use peers::Peers;

use crate::publication::Active;
use crate::{Publication, Record, Registry};

/// Largest number of predictions in one call of PredictIntervals.
const MAX_PREDICTIONS: usize = 10_000;

struct Transport {
    registry: Registry,
    publication: Publication,
    peers: Peers,
}

/// The service as a component.
pub(crate) fn component(registry: Registry, publication: Publication, peers: Peers) -> Component {
    let background = publication.clone();
    let transport = Transport { registry, publication, peers };
    Component::new(SERVICE_NAME, |routes| {
        routes.add_service(CalibratorServiceServer::new(transport));
    })
    .with_background(move |stop| background.keep_fresh(stop))
}

impl Transport {
    async fn describe(&self, record: &Record) -> Result<proto::Calibration, Status> {
        let (_, document) =
            self.registry.document(record).await.map_err(convert::registry_error)?;
        Ok(convert::calibration(record, &document, self.publication.is_active(record)))
    }

    async fn publish(&self, record: &Record) -> Result<proto::Calibration, Status> {
        self.publication.refresh().await.map_err(convert::registry_error)?;
        self.describe(record).await
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
        let document = fit::fit(request.into_inner(), &self.peers).await?;
        let record = self.registry.insert(&document).await.map_err(convert::registry_error)?;
        let active = self.publication.is_active(&record);
        let calibration = Some(convert::calibration(&record, &document, active));
        Ok(Response::new(proto::FitCalibrationResponse { calibration }))
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
        let record = self
            .registry
            .record(id("calibration", &request.calibration)?)
            .await
            .map_err(convert::registry_error)?;
        let (_, document) =
            self.registry.document(&record).await.map_err(convert::registry_error)?;
        if !request.model.is_empty() && request.model != document.model {
            let message =
                format!("it is for {}, these predictions are {}'s", document.model, request.model);
            return Err(status::precondition("OTHER_MODEL", &request.calibration, message));
        }
        let spec = document.calibration.spec();
        let at = document.calibration.at(coverage);
        let interval = |(index, row): (usize, &proto::UnlabelledPrediction)| {
            let prediction =
                convert::unlabelled(row).check(&format!("predictions[{index}]"), &spec)?;
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
        let id = id("name", &request.get_ref().name)?;
        let record = self.registry.record(id).await.map_err(convert::registry_error)?;
        let calibration = Some(self.describe(&record).await?);
        Ok(Response::new(proto::GetCalibrationResponse { calibration }))
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
            calibrations.push(self.describe(record).await?);
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
        let changes = stream::unfold((active, Active::new()), |(mut active, sent)| async move {
            active.changed().await.ok()?;
            let present = active.borrow_and_update().clone();
            let news = news(&sent, &present);
            Some((stream::iter(news), (active, present)))
        });
        Ok(Response::new(changes.flatten().boxed()))
    }
}

/// What a watcher who knows `sent` has not been told yet.
fn news(sent: &Active, present: &Active) -> Vec<Result<proto::WatchCalibrationResponse, Status>> {
    let is_new = |model: &String, id: &str| sent.get(model).is_none_or(|old| old.record.id != id);
    present
        .iter()
        .filter(|(model, published)| is_new(model, &published.record.id))
        .map(|(_, published)| {
            Ok(proto::WatchCalibrationResponse {
                calibration: Some(convert::calibration(
                    &published.record,
                    &published.document,
                    true,
                )),
                document: published.bytes.clone(),
            })
        })
        .collect()
}
