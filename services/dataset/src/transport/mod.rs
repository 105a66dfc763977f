//! `agespan.dataset.v1.DatasetService`.

mod convert;
mod images;
mod submit;

use agespan_jobs::Jobs;
use agespan_proto::dataset::v1 as proto;
use agespan_proto::dataset::v1::dataset_service_server::{
    DatasetService, DatasetServiceServer, SERVICE_NAME,
};
use agespan_service::page::{self, PageLimits};
use agespan_service::{Component, status};
use agespan_storage::Storage;
use futures_util::stream::BoxStream;
use tonic::{Request, Response, Status};

use self::images::Form;
pub use self::submit::payload as import_payload;

use crate::cluster::Member;
use crate::manifest::Row;
use crate::record::{self, DatasetRecord, RecordError};
use crate::samples::Samples;

const SAMPLE_PAGES: PageLimits = PageLimits { default: 100, most: 1000 };

struct Transport {
    storage: Storage,
    jobs: Jobs,
}

/// The service as a component.
pub(crate) fn component(storage: Storage, jobs: Jobs) -> Component {
    let transport = Transport { storage, jobs };
    Component::new(SERVICE_NAME, |routes| {
        routes.add_service(DatasetServiceServer::new(transport));
    })
}

impl Transport {
    async fn record(&self, name: &str) -> Result<DatasetRecord, Status> {
        record::load(&self.storage, id(name)?).await.map_err(convert::record_error)
    }

    async fn samples(&self, name: &str) -> Result<Samples, Status> {
        Samples::open(&self.storage, id(name)?).await.map_err(convert::samples_error)
    }
}

fn id(name: &str) -> Result<&str, Status> {
    status::resource_id("name", "datasets", name)
}

#[tonic::async_trait]
impl DatasetService for Transport {
    type StreamSamplesStream = BoxStream<'static, Result<proto::StreamSamplesResponse, Status>>;

    async fn import_dataset(
        &self,
        request: Request<proto::ImportDatasetRequest>,
    ) -> Result<Response<proto::ImportDatasetResponse>, Status> {
        let job = submit::submit(&self.storage, &self.jobs, request.into_inner()).await?;
        Ok(Response::new(proto::ImportDatasetResponse { job: Some(job) }))
    }

    async fn get_dataset(
        &self,
        request: Request<proto::GetDatasetRequest>,
    ) -> Result<Response<proto::GetDatasetResponse>, Status> {
        let record = self.record(&request.get_ref().name).await?;
        let dataset = Some(convert::dataset(&record));
        Ok(Response::new(proto::GetDatasetResponse { dataset }))
    }

    async fn list_datasets(
        &self,
        request: Request<proto::ListDatasetsRequest>,
    ) -> Result<Response<proto::ListDatasetsResponse>, Status> {
        let request = request.into_inner();
        let names = record::names(&self.storage).await.map_err(convert::record_error)?;
        let (names, next_page_token) = page::of(
            names,
            String::clone,
            request.page_size,
            &request.page_token,
            PageLimits::USUAL,
        )?;
        let mut datasets = Vec::with_capacity(names.len());
        for name in &names {
            match record::load(&self.storage, name).await {
                Ok(record) => datasets.push(convert::dataset(&record)),
                // Deleted since the names were listed.
                Err(RecordError::NotFound(_)) => {}
                Err(error) => return Err(convert::record_error(error)),
            }
        }
        Ok(Response::new(proto::ListDatasetsResponse { datasets, next_page_token }))
    }

    async fn delete_dataset(
        &self,
        request: Request<proto::DeleteDatasetRequest>,
    ) -> Result<Response<proto::DeleteDatasetResponse>, Status> {
        let id = id(&request.get_ref().name)?;
        record::delete(&self.storage, id).await.map_err(convert::record_error)?;
        Ok(Response::new(proto::DeleteDatasetResponse {}))
    }

    async fn get_dataset_statistics(
        &self,
        request: Request<proto::GetDatasetStatisticsRequest>,
    ) -> Result<Response<proto::GetDatasetStatisticsResponse>, Status> {
        let samples = self.samples(&request.get_ref().name).await?;
        Ok(Response::new(convert::statistics(samples.statistics())))
    }

    async fn list_samples(
        &self,
        request: Request<proto::ListSamplesRequest>,
    ) -> Result<Response<proto::ListSamplesResponse>, Status> {
        let request = request.into_inner();
        let split = convert::split("split", request.split)?;
        let samples = self.samples(&request.name).await?;
        let asked = |row: &&Row| {
            row.quarantine.is_some() == request.quarantined
                && split.is_none_or(|split| row.split == Some(split))
        };
        let rows: Vec<&Row> = samples.rows().iter().filter(asked).collect();
        let (rows, next_page_token) = place_page(&rows, request.page_size, &request.page_token)?;
        let clusters = samples.clusters().by_path();
        let cluster = |row: &Row| clusters.get(row.path.as_str()).copied();
        let samples = rows.iter().map(|row| convert::sample(row, cluster(row))).collect();
        Ok(Response::new(proto::ListSamplesResponse { samples, next_page_token }))
    }

    async fn list_clusters(
        &self,
        request: Request<proto::ListClustersRequest>,
    ) -> Result<Response<proto::ListClustersResponse>, Status> {
        let request = request.into_inner();
        let samples = self.samples(&request.name).await?;
        let clusters: Vec<&[Member]> = samples.clusters().iter().collect();
        let (page, next_page_token) =
            place_page(&clusters, request.page_size, &request.page_token)?;
        let cluster = |members: &&[Member]| {
            let rows: Vec<&Row> = members.iter().filter_map(|m| samples.find(&m.path)).collect();
            convert::cluster(members, &rows)
        };
        let clusters = page.iter().map(cluster).collect();
        Ok(Response::new(proto::ListClustersResponse { clusters, next_page_token }))
    }

    async fn get_sample_images(
        &self,
        request: Request<proto::GetSampleImagesRequest>,
    ) -> Result<Response<proto::GetSampleImagesResponse>, Status> {
        let request = request.into_inner();
        let form = Form::of_side(request.side)?;
        if !(1..=64).contains(&request.paths.len()) {
            return Err(status::invalid("paths", "PATHS", "give 1 to 64 paths"));
        }
        let samples = self.samples(&request.name).await?;
        let mut batch = Vec::with_capacity(request.paths.len());
        for path in &request.paths {
            let usable = samples.find(path).filter(|row| row.place.is_some());
            let row = usable.ok_or_else(|| {
                let message = format!("{path} is no usable sample of {}", request.name);
                status::not_found("sample", path, message)
            })?;
            let image = samples.image(row).await.map_err(convert::samples_error)?;
            batch.push((row.clone(), image));
        }
        let (samples, prepared) = tokio::task::spawn_blocking(move || images::given(batch, form))
            .await
            .map_err(|error| status::internal(&error))??;
        Ok(Response::new(proto::GetSampleImagesResponse { samples, prepared }))
    }

    async fn stream_samples(
        &self,
        request: Request<proto::StreamSamplesRequest>,
    ) -> Result<Response<Self::StreamSamplesStream>, Status> {
        let request = request.into_inner();
        let split = convert::split("split", request.split)?
            .ok_or_else(|| status::invalid("split", "SPLIT_MISSING", "say which split"))?;
        let form = Form::of_side(request.side)?;
        let samples = self.samples(&request.name).await?;
        let first = images::resume_at(&samples, split, &request.resume_token)?;
        Ok(Response::new(images::stream(samples, split, form, first)))
    }

    async fn get_splits(
        &self,
        request: Request<proto::GetSplitsRequest>,
    ) -> Result<Response<proto::GetSplitsResponse>, Status> {
        let splits = convert::splits(&self.record(&request.get_ref().name).await?);
        Ok(Response::new(proto::GetSplitsResponse { splits }))
    }
}

/// A token is the place of the next row or cluster: a manifest never changes, so the place stays
/// right.
fn place_page<'a, T>(
    rows: &'a [T],
    page_size: u32,
    page_token: &str,
) -> Result<(&'a [T], String), Status> {
    let size = SAMPLE_PAGES.size(page_size)?;
    let start = match page_token {
        "" => 0,
        token => token.parse().ok().filter(|start| *start < rows.len()).ok_or_else(|| {
            status::invalid("page_token", "PAGE_TOKEN", "not a token of this list; begin again")
        })?,
    };
    let end = rows.len().min(start + size);
    let next = if end < rows.len() { end.to_string() } else { String::new() };
    Ok((&rows[start..end], next))
}
