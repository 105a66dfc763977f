//! A server of one's own for each test.
#![allow(dead_code, reason = "each test file takes the part it needs")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use agespan_client::proto::dataset::v1 as proto;
use agespan_client::proto::dataset::v1::dataset_service_client::DatasetServiceClient;
use agespan_client::proto::job::v1::{CancelJobRequest, GetJobRequest, Job};
use agespan_client::{Client, Connection};
use agespan_dataset::import::{ImportOptions, Watch, import};
use agespan_jobs::{Jobs, JobsConfig, PrivateRedis};
use agespan_service::{CancellationToken, Entrance, Platform, Role};
use agespan_storage::Storage;
use tempfile::TempDir;
use tokio::runtime::Handle;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Ends with the test's runtime.
pub(crate) struct Server {
    pub(crate) client: Client,
    storage: Storage,
    jobs: Jobs,
    _redis: PrivateRedis,
    // Last: the Redis in it has to end first.
    dir: TempDir,
}

impl Server {
    pub(crate) async fn start(role: Role) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let redis = PrivateRedis::start(&dir.path().join("redis")).await.unwrap();
        let jobs = Jobs::new(JobsConfig::new(redis.url())).unwrap();
        let storage = Storage::open(dir.path().join("store").to_str().unwrap()).unwrap();
        let (entrance, own) = Entrance::private();
        let platform = Platform {
            storage: storage.clone(),
            jobs: jobs.clone(),
            role,
            data_dir: dir.path().to_owned(),
            dataset: own.clone(),
            estimator: own.clone(),
            calibrator: own.clone(),
            generator: own.clone(),
        };
        let components = vec![agespan_dataset::assemble(&platform)];
        let drain = Duration::from_secs(1);
        let serving = agespan_service::serve(
            entrance,
            components,
            jobs.clone(),
            drain,
            CancellationToken::new(),
        );
        tokio::spawn(serving);
        Self { client: own, storage, jobs, _redis: redis, dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn datasets(&self) -> DatasetServiceClient<Connection> {
        self.client.datasets()
    }

    pub(crate) async fn dataset(&self, name: &str) -> Result<proto::Dataset, Status> {
        let request = proto::GetDatasetRequest { name: name.to_owned() };
        Ok(self.datasets().get_dataset(request).await?.into_inner().dataset.unwrap())
    }

    pub(crate) async fn submit(&self, request: proto::ImportDatasetRequest) -> Result<Job, Status> {
        Ok(self.datasets().import_dataset(request).await?.into_inner().job.unwrap())
    }

    /// Imports to the end and gives the job's result.
    pub(crate) async fn import(&self, source: &Path, id: &str) -> Result<String, Status> {
        let job = self.submit(import_request(source, id)).await?;
        self.client.follow(&job.name, |_| {}).await
    }

    /// The job of an import that has failed.
    pub(crate) async fn failed(&self, source: &Path) -> Job {
        let job = self.submit(import_request(source, "faces")).await.unwrap();
        let status = self.client.follow(&job.name, |_| {}).await.unwrap_err();
        assert_eq!(status.code(), Code::Aborted);
        let request = GetJobRequest { name: job.name };
        self.client.jobs().get_job(request).await.unwrap().into_inner().job.unwrap()
    }

    pub(crate) async fn cancel(&self, name: &str) {
        let request = CancelJobRequest { name: name.to_owned() };
        self.client.jobs().cancel_job(request).await.unwrap();
    }

    /// Imports as an attempt at this job would, without telling the job store.
    pub(crate) async fn import_as(&self, job: &str, source: &Path, id: &str) {
        let (storage, source, id) = (self.storage.clone(), source.to_owned(), id.to_owned());
        let options = ImportOptions { job: Some(job.to_owned()), ..Default::default() };
        let blocking = move || {
            let watch = Watch { progress: &mut |_, _, _| {}, cancelled: &|| false };
            import(&source, &id, &options, &storage, &Handle::current(), watch).unwrap();
        };
        tokio::task::spawn_blocking(blocking).await.unwrap();
    }

    pub(crate) fn start_worker(&self) {
        let worker = agespan_dataset::worker::worker(self.storage.clone(), self.jobs.clone());
        tokio::spawn(worker.run(CancellationToken::new()));
    }
}

pub(crate) fn import_request(source: &Path, id: &str) -> proto::ImportDatasetRequest {
    proto::ImportDatasetRequest {
        dataset_id: id.to_owned(),
        source: source.to_str().unwrap().to_owned(),
        seed: 7,
        ..Default::default()
    }
}

/// What a program sees of a status.
pub(crate) fn reason(status: &Status) -> (Code, String) {
    let info = status.get_details_error_info();
    (status.code(), info.map(|info| info.reason).unwrap_or_default())
}
