//! `agespan.generator.v1.GeneratorService`.

mod asked;
mod convert;
mod fitting;
mod follow;
mod peers;
mod subject;
mod tuning;

use std::io;
use std::path::PathBuf;

use agespan_jobs::Jobs;
use agespan_proto::generator::v1 as proto;
use agespan_proto::generator::v1::generator_service_server::{
    GeneratorService, GeneratorServiceServer, SERVICE_NAME,
};
use agespan_service::page::{self, PageLimits};
use agespan_service::{Component, status, transport};
use futures_util::stream::BoxStream;
use tonic::{Request, Response, Status};

use crate::draws::FaceCheck;
use crate::faces::Detector;
use crate::images::Images;
use crate::job::{GENERATE_KIND, TUNE_KIND, TuneJob};
use crate::pipelines::{Record, Registry};

pub use asked::{Asked, read as asked};
pub(crate) use peers::{Labelled, Peers, Split};

/// What the RPCs are answered from.
pub(crate) struct Transport {
    pub(crate) registry: Registry,
    pub(crate) images: Images,
    pub(crate) jobs: Jobs,
    pub(crate) detector: Detector,
}

/// The service as a component.
pub(crate) fn component(transport: Transport) -> Component {
    Component::new(SERVICE_NAME, |routes| {
        routes.add_service(GeneratorServiceServer::new(transport));
    })
}

impl Transport {
    async fn record(&self, field: &str, name: &str) -> Result<Record, Status> {
        let id = status::resource_id(field, "pipelines", name)?;
        self.registry.record(id).await.map_err(convert::pipeline_error)
    }
}

#[tonic::async_trait]
impl GeneratorService for Transport {
    type StreamGeneratedFacesStream =
        BoxStream<'static, Result<proto::StreamGeneratedFacesResponse, Status>>;

    async fn fine_tune_pipeline(
        &self,
        request: Request<proto::FineTunePipelineRequest>,
    ) -> Result<Response<proto::FineTunePipelineResponse>, Status> {
        let request = request.into_inner();
        let spec = tuning::spec(&request)?;
        status::resource_id("dataset", "datasets", &request.dataset)?;
        let record = self.record("pipeline", &request.pipeline).await?;
        let job = TuneJob {
            pipeline: record.id,
            dataset: request.dataset,
            max_samples: request.max_samples as usize,
            spec,
        };
        let job = transport::submit(&self.jobs, TUNE_KIND, &job, request.request_id).await?;
        Ok(Response::new(proto::FineTunePipelineResponse { job: Some(job) }))
    }

    async fn generate_faces(
        &self,
        request: Request<proto::GenerateFacesRequest>,
    ) -> Result<Response<proto::GenerateFacesResponse>, Status> {
        let request = request.into_inner();
        // First, for these are the caller's own, whatever pipelines there are.
        let asked = asked::read(&request, self.detector.is_there().await)?;
        let record = match request.pipeline.as_str() {
            "" => self.registry.newest().await.map_err(convert::pipeline_error)?,
            name => self.record("pipeline", name).await?,
        };
        let mut job = fitting::job(&request, asked, &record)?;
        if job.face_check == FaceCheck::NoDetector {
            tracing::warn!(
                "there is no face detector: a job's images are not held to show exactly one face; \
                 run `make setup`, or name its folder with --first-weights"
            );
        }
        if !request.noise.is_empty() {
            let kept = self.images.keep_noise(request.noise).await;
            job.noise = Some(kept.map_err(status::from_storage)?);
        }
        let job = transport::submit(&self.jobs, GENERATE_KIND, &job, request.request_id).await?;
        Ok(Response::new(proto::GenerateFacesResponse { job: Some(job) }))
    }

    async fn stream_generated_faces(
        &self,
        request: Request<proto::StreamGeneratedFacesRequest>,
    ) -> Result<Response<Self::StreamGeneratedFacesStream>, Status> {
        let request = request.into_inner();
        let id = status::resource_id("job", "jobs", &request.job)?;
        let images = self.images.clone();
        let stream = follow::images(self.jobs.clone(), images, id, request.start_index).await?;
        Ok(Response::new(stream))
    }

    async fn add_pipeline(
        &self,
        request: Request<proto::AddPipelineRequest>,
    ) -> Result<Response<proto::AddPipelineResponse>, Status> {
        let path = directory(&request.get_ref().source).await?;
        let record = self.registry.add(path).await.map_err(convert::pipeline_error)?;
        let pipeline = Some(convert::pipeline(&record));
        Ok(Response::new(proto::AddPipelineResponse { pipeline }))
    }

    async fn list_pipelines(
        &self,
        request: Request<proto::ListPipelinesRequest>,
    ) -> Result<Response<proto::ListPipelinesResponse>, Status> {
        let request = request.into_inner();
        let (records, next_page_token) = page::of(
            self.registry.list().await.map_err(convert::pipeline_error)?,
            |record| record.id.clone(),
            request.page_size,
            &request.page_token,
            PageLimits::USUAL,
        )?;
        let pipelines = records.iter().map(convert::pipeline).collect();
        Ok(Response::new(proto::ListPipelinesResponse { pipelines, next_page_token }))
    }

    async fn get_pipeline(
        &self,
        request: Request<proto::GetPipelineRequest>,
    ) -> Result<Response<proto::GetPipelineResponse>, Status> {
        let record = self.record("name", &request.get_ref().name).await?;
        let pipeline = Some(convert::pipeline(&record));
        Ok(Response::new(proto::GetPipelineResponse { pipeline }))
    }
}

/// A directory that is there.
async fn directory(source: &str) -> Result<PathBuf, Status> {
    if source.is_empty() || source.contains('\0') {
        let message = "give a diffusers directory on the server's machine";
        return Err(status::invalid("source", "SOURCE", message));
    }
    match tokio::fs::metadata(source).await {
        Ok(found) if found.is_dir() => Ok(source.into()),
        Ok(_) => {
            let message = format!("{source} is a file; give a diffusers directory");
            Err(status::invalid("source", "SOURCE", message))
        }
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            let message = format!("there is no {source} on the server's machine");
            Err(status::not_found("source", source, message))
        }
        Err(error) => {
            let message = format!("{source} cannot be read by the server: {error}");
            Err(status::precondition("SOURCE_UNREADABLE", source, message))
        }
    }
}
