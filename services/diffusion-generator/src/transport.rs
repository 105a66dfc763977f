//! `agespan.generator.v1.GeneratorService`.

use agespan_proto::generator::v1 as proto;
use agespan_proto::generator::v1::generator_service_server::{
    GeneratorService, GeneratorServiceServer, SERVICE_NAME,
};
use agespan_service::{Component, status};
use futures_util::stream::BoxStream;
use tonic::{Request, Response, Status};

struct Transport;

/// The service as a component.
pub(crate) fn component() -> Component {
    Component::new(SERVICE_NAME, |routes| {
        routes.add_service(GeneratorServiceServer::new(Transport));
    })
}

#[tonic::async_trait]
impl GeneratorService for Transport {
    type StreamGeneratedFacesStream =
        BoxStream<'static, Result<proto::StreamGeneratedFacesResponse, Status>>;

    async fn fine_tune_pipeline(
        &self,
        _request: Request<proto::FineTunePipelineRequest>,
    ) -> Result<Response<proto::FineTunePipelineResponse>, Status> {
        Err(status::unimplemented("fine-tuning of Stable Diffusion"))
    }

    async fn generate_faces(
        &self,
        _request: Request<proto::GenerateFacesRequest>,
    ) -> Result<Response<proto::GenerateFacesResponse>, Status> {
        Err(status::unimplemented("drawing of faces"))
    }

    async fn stream_generated_faces(
        &self,
        _request: Request<proto::StreamGeneratedFacesRequest>,
    ) -> Result<Response<Self::StreamGeneratedFacesStream>, Status> {
        Err(status::unimplemented("drawing of faces"))
    }

    async fn list_pipelines(
        &self,
        _request: Request<proto::ListPipelinesRequest>,
    ) -> Result<Response<proto::ListPipelinesResponse>, Status> {
        Err(status::unimplemented("loading of diffusion pipelines"))
    }

    async fn get_pipeline(
        &self,
        _request: Request<proto::GetPipelineRequest>,
    ) -> Result<Response<proto::GetPipelineResponse>, Status> {
        Err(status::unimplemented("loading of diffusion pipelines"))
    }
}
