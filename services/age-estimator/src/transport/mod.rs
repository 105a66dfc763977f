//! `agespan.estimator.v1.EstimatorService`.

mod convert;
mod faces;
mod kserve;
mod peers;
mod verify;

use std::sync::Arc;

use agespan_conformal::Coverage;
use agespan_jobs::Jobs;
use agespan_proto::estimator::v1 as proto;
use agespan_proto::estimator::v1::estimator_service_server::{
    EstimatorService, EstimatorServiceServer, SERVICE_NAME,
};
use agespan_proto::estimator::v1::{image_result, stream_estimate_age_response};
use agespan_proto::inference::grpc_inference_service_server::GrpcInferenceServiceServer;
use agespan_service::page::{self, PageLimits};
use agespan_service::{Allowance, Caller, Component, status, transport};
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

pub use kserve::images as infer_images;
pub use peers::Peers;
pub(crate) use peers::{Labelled, Split};

use crate::model::{Record, Registry};
use crate::queue::Admission;
use crate::training::page::page;
use crate::{EstimateError, Estimator, Options, PhotoEstimate, Session, TRAIN_KIND};

/// Largest number of photos in one call.
const MAX_IMAGES: usize = 256;
/// Photos of one stream that are under way at the same time: enough to fill a batch.
const UNDER_WAY: usize = 64;
/// Largest request: a full batch.
const MAX_REQUEST_BYTES: usize = 64 << 20;

struct Transport {
    estimator: Arc<Estimator>,
    registry: Registry,
    jobs: Jobs,
}

/// The service as a component.
pub(crate) fn component(estimator: Arc<Estimator>, registry: Registry, jobs: Jobs) -> Component {
    let transport = Arc::new(Transport { estimator, registry, jobs });
    Component::new(SERVICE_NAME, |routes| {
        let own = EstimatorServiceServer::from_arc(transport.clone());
        routes.add_service(own.max_decoding_message_size(MAX_REQUEST_BYTES));
        let of_kserve = GrpcInferenceServiceServer::from_arc(transport);
        routes.add_service(of_kserve.max_decoding_message_size(MAX_REQUEST_BYTES));
    })
}

impl Transport {
    async fn record(&self, field: &str, name: &str) -> Result<Record, Status> {
        let id = status::resource_id(field, "models", name)?;
        self.registry.record(id).await.map_err(convert::model_error)
    }
}

async fn session(estimator: &Estimator, model: &str) -> Result<Session, Status> {
    let id = match model {
        "" => None,
        name => Some(status::resource_id("model", "models", name)?),
    };
    estimator.session(id).await.map_err(convert::load_error)
}

fn names(session: &Session) -> (String, String) {
    let calibration = session.calibration.as_ref();
    (
        format!("models/{}", session.model.record.id),
        calibration.map(|active| format!("calibrations/{}", active.id)).unwrap_or_default(),
    )
}

async fn estimate_one(
    estimator: &Estimator,
    request: proto::EstimateAgeRequest,
    caller: Caller,
    admission: Admission,
) -> Result<proto::EstimateAgeResponse, Status> {
    let asked = transport::coverage(request.coverage)?;
    let wanted = faces::wanted(request.faces, &request.refuse)?;
    let session = session(estimator, &request.model).await?;
    let coverage = session.coverage(&request.stream, asked);
    let photo = estimator
        .estimate(&session, request.image, &Options { coverage, wanted, caller, admission })
        .await
        .map_err(convert::estimate_error)?;
    let (model, calibration) = names(&session);
    let proto::FaceEstimates { faces, refused, faces_found } =
        convert::photo(photo, request.include_distribution);
    Ok(proto::EstimateAgeResponse { faces, model, calibration, refused, faces_found })
}

#[tonic::async_trait]
impl EstimatorService for Transport {
    type StreamEstimateAgeStream =
        BoxStream<'static, Result<proto::StreamEstimateAgeResponse, Status>>;

    async fn estimate_age(
        &self,
        request: Request<proto::EstimateAgeRequest>,
    ) -> Result<Response<proto::EstimateAgeResponse>, Status> {
        let caller = Caller::of(request.extensions());
        let request = request.into_inner();
        let answer = estimate_one(&self.estimator, request, caller, Admission::Refuse).await?;
        Ok(Response::new(answer))
    }

    async fn batch_estimate_age(
        &self,
        request: Request<proto::BatchEstimateAgeRequest>,
    ) -> Result<Response<proto::BatchEstimateAgeResponse>, Status> {
        let (_, extensions, request) = request.into_parts();
        let caller = Caller::of(&extensions);
        let coverage = transport::coverage(request.coverage)?;
        let wanted = faces::wanted(request.faces, &request.refuse)?;
        if !(1..=MAX_IMAGES).contains(&request.images.len()) {
            let message = format!("send 1 to {MAX_IMAGES}, not {}", request.images.len());
            return Err(status::invalid("images", "COUNT", message));
        }
        Allowance::of(&extensions).charge_batch(request.images.len());
        let session = session(&self.estimator, &request.model).await?;
        let coverage = session.coverage(&request.stream, coverage);
        let options = Options { coverage, wanted, caller, admission: Admission::Wait };
        let photos = self.estimator.estimate_all(&session, &request.images, &options).await;
        let result = |photo: Result<PhotoEstimate, EstimateError>| {
            let outcome = match photo.map_err(convert::estimate_error) {
                Ok(photo) => image_result::Outcome::Estimates(convert::photo(
                    photo,
                    request.include_distribution,
                )),
                Err(error) => image_result::Outcome::Error(convert::item_error(&error)),
            };
            proto::ImageResult { outcome: Some(outcome) }
        };
        let results = photos.into_iter().map(result).collect();
        let (model, calibration) = names(&session);
        Ok(Response::new(proto::BatchEstimateAgeResponse { results, model, calibration }))
    }

    async fn stream_estimate_age(
        &self,
        request: Request<Streaming<proto::StreamEstimateAgeRequest>>,
    ) -> Result<Response<Self::StreamEstimateAgeStream>, Status> {
        let (_, extensions, messages) = request.into_parts();
        let (caller, allowance) = (Caller::of(&extensions), Allowance::of(&extensions));
        let estimator = self.estimator.clone();
        let answers = messages.map(move |message| {
            let (estimator, caller) = (estimator.clone(), caller.clone());
            let allowance = allowance.clone();
            async move {
                let proto::StreamEstimateAgeRequest { id, request } = message?;
                allowance.one_more().await;
                let request = request.unwrap_or_default();
                let answer = estimate_one(&estimator, request, caller, Admission::Wait).await;
                let outcome = match answer {
                    Ok(answer) => stream_estimate_age_response::Outcome::Response(answer),
                    Err(error) => {
                        stream_estimate_age_response::Outcome::Error(convert::item_error(&error))
                    }
                };
                Ok(proto::StreamEstimateAgeResponse { id, outcome: Some(outcome) })
            }
        });
        Ok(Response::new(answers.buffered(UNDER_WAY).boxed()))
    }

    async fn verify_age(
        &self,
        request: Request<proto::VerifyAgeRequest>,
    ) -> Result<Response<proto::VerifyAgeResponse>, Status> {
        let (_, extensions, request) = request.into_parts();
        let caller = Caller::of(&extensions);
        let wanted = verify::wanted(request.faces, &request.refuse)?;
        let session = session(&self.estimator, &request.model).await?;
        // Before the photo: whoever asks for too much should not have to send a good one.
        let rate = transport::false_pass_rate(request.false_pass_rate)?;
        let marks = session.marks(request.at_least, rate).map_err(verify::check_error)?;
        let (coverage, admission) = (Coverage::DEFAULT, Admission::Refuse);
        let options = Options { coverage, wanted, caller, admission };
        let photo = self
            .estimator
            .estimate(&session, request.image, &options)
            .await
            .map_err(convert::estimate_error)?;
        let answer = verify::answer(&session, &marks, request.at_least, &photo)?;
        verify::write_down(&extensions, request.at_least, rate, &answer);
        Ok(Response::new(answer))
    }

    async fn train_model(
        &self,
        request: Request<proto::TrainModelRequest>,
    ) -> Result<Response<proto::TrainModelResponse>, Status> {
        let request = request.into_inner();
        let from = match request.from.as_str() {
            "" => None,
            name => Some(self.record("from", name).await?),
        };
        let mut teachers = Vec::new();
        for name in &request.teachers {
            teachers.push(self.record("teachers", name).await?);
        }
        let job = convert::train_job(&request, from.as_ref(), &teachers)?;
        let job = transport::submit(&self.jobs, TRAIN_KIND, &job, request.request_id).await?;
        Ok(Response::new(proto::TrainModelResponse { job: Some(job) }))
    }

    async fn list_models(
        &self,
        request: Request<proto::ListModelsRequest>,
    ) -> Result<Response<proto::ListModelsResponse>, Status> {
        let request = request.into_inner();
        let active = self.registry.active().await.map_err(convert::model_error)?;
        let (records, next_page_token) = page::of(
            self.registry.list().await.map_err(convert::model_error)?,
            |record| record.id.clone(),
            request.page_size,
            &request.page_token,
            PageLimits::USUAL,
        )?;
        let models =
            records.iter().map(|record| convert::model(record, record.id == active)).collect();
        Ok(Response::new(proto::ListModelsResponse { models, next_page_token }))
    }

    async fn get_model(
        &self,
        request: Request<proto::GetModelRequest>,
    ) -> Result<Response<proto::GetModelResponse>, Status> {
        let record = self.record("name", &request.get_ref().name).await?;
        let active = self.registry.active().await.map_err(convert::model_error)?;
        let model = Some(convert::model(&record, record.id == active));
        Ok(Response::new(proto::GetModelResponse { model }))
    }

    async fn get_training(
        &self,
        request: Request<proto::GetTrainingRequest>,
    ) -> Result<Response<proto::GetTrainingResponse>, Status> {
        let request = request.into_inner();
        let record = self.record("name", &request.name).await?;
        let (name, card) = (format!("models/{}", record.id), &record.card);
        let html = match request.include_html {
            true => page(&name, &card.dataset, &card.spec, &card.history),
            false => String::new(),
        };
        let events = match request.include_events {
            true => self.registry.events(&record).await.map_err(convert::model_error)?,
            false => Bytes::new(),
        };
        let epochs = card.history.iter().map(convert::epoch).collect();
        Ok(Response::new(proto::GetTrainingResponse { epochs, html, events }))
    }

    async fn activate_model(
        &self,
        request: Request<proto::ActivateModelRequest>,
    ) -> Result<Response<proto::ActivateModelResponse>, Status> {
        let id = status::resource_id("name", "models", &request.get_ref().name)?;
        // Loaded first: a model that cannot be loaded must not become the active one.
        self.estimator.models().get(id).await.map_err(convert::load_error)?;
        let record = self.registry.activate(id).await.map_err(convert::model_error)?;
        self.estimator.models().refresh().await.map_err(convert::load_error)?;
        let model = Some(convert::model(&record, true));
        Ok(Response::new(proto::ActivateModelResponse { model }))
    }
}
