//! `agespan.evaluator.v1.EvaluatorService`.

mod answered;
mod asked;
mod convert;
mod cross_check;
mod drawn;
mod images;
mod peers;
mod sets;

use agespan_jobs::Jobs;
use agespan_proto::evaluator::v1 as proto;
use agespan_proto::evaluator::v1::evaluator_service_server::{
    EvaluatorService, EvaluatorServiceServer, SERVICE_NAME,
};
use agespan_service::page::{self, PageLimits};
use agespan_service::{Component, status, transport};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use proto::StreamReportRowsResponse as Rows;
use tonic::{Request, Response, Status};

pub(crate) use answered::Answered;
pub(crate) use peers::Answers;
pub use peers::Peers;

use crate::cross_check_worker;
use crate::images as comparison;
use crate::images_worker;
use crate::page::page;
use crate::reports::{AnyReport, Reports};
use crate::worker::{Baseline, Evaluation, KIND};

struct Transport {
    reports: Reports,
    jobs: Jobs,
}

/// The service as a component.
pub(crate) fn component(reports: Reports, jobs: Jobs) -> Component {
    Component::new(SERVICE_NAME, |routes| {
        routes.add_service(EvaluatorServiceServer::new(Transport { reports, jobs }));
    })
}

fn evaluation(request: &proto::EvaluateEstimatorRequest) -> Result<Evaluation, Status> {
    status::resource_id("dataset", "datasets", &request.dataset)?;
    if !request.model.is_empty() {
        status::resource_id("model", "models", &request.model)?;
    }
    let split = asked::split("split", request.split)?;
    let coverage = transport::coverage(request.coverage)?;
    let ages = asked::ages(&request.ages)?;
    let false_pass_rate = transport::false_pass_rate(request.false_pass_rate)?.as_f64();
    for (field, collection, name) in [
        ("baseline_model", "models", &request.baseline_model),
        ("baseline_calibration", "calibrations", &request.baseline_calibration),
    ] {
        if !name.is_empty() {
            status::resource_id(field, collection, name)?;
        }
    }
    Ok(Evaluation {
        ages,
        false_pass_rate,
        baseline: Baseline {
            model: request.baseline_model.clone(),
            calibration: request.baseline_calibration.clone(),
        },
        dataset: request.dataset.clone(),
        split,
        model: request.model.clone(),
        coverage: coverage.as_f64(),
    })
}

#[tonic::async_trait]
impl EvaluatorService for Transport {
    async fn evaluate_estimator(
        &self,
        request: Request<proto::EvaluateEstimatorRequest>,
    ) -> Result<Response<proto::EvaluateEstimatorResponse>, Status> {
        let request = request.into_inner();
        let evaluation = evaluation(&request)?;
        let job = transport::submit(&self.jobs, KIND, &evaluation, request.request_id).await?;
        Ok(Response::new(proto::EvaluateEstimatorResponse { job: Some(job) }))
    }

    async fn evaluate_images(
        &self,
        request: Request<proto::EvaluateImagesRequest>,
    ) -> Result<Response<proto::EvaluateImagesResponse>, Status> {
        let request = request.into_inner();
        let comparison = asked::comparison(&request)?;
        let (jobs, kind) = (&self.jobs, images_worker::KIND);
        let job = transport::submit(jobs, kind, &comparison, request.request_id).await?;
        Ok(Response::new(proto::EvaluateImagesResponse { job: Some(job) }))
    }

    async fn cross_check_generated(
        &self,
        request: Request<proto::CrossCheckGeneratedRequest>,
    ) -> Result<Response<proto::CrossCheckGeneratedResponse>, Status> {
        let request = request.into_inner();
        let asked = cross_check::asked(&request)?;
        let (jobs, kind) = (&self.jobs, cross_check_worker::KIND);
        let job = transport::submit(jobs, kind, &asked, request.request_id).await?;
        Ok(Response::new(proto::CrossCheckGeneratedResponse { job: Some(job) }))
    }

    async fn get_report(
        &self,
        request: Request<proto::GetReportRequest>,
    ) -> Result<Response<proto::GetReportResponse>, Status> {
        let request = request.get_ref();
        let id = status::resource_id("name", "reports", &request.name)?;
        let (record, report) = self.reports.get(id).await.map_err(convert::report_error)?;
        let html = match &report {
            _ if !request.include_html => String::new(),
            AnyReport::Estimator(report) => {
                page(report, &self.reports.rows(report).await.map_err(convert::report_error)?)
            }
            AnyReport::Images(report) => comparison::page(report),
            AnyReport::CrossCheck(report) => crate::cross_check::page(report),
        };
        let report = Some(convert::report(&record, report));
        Ok(Response::new(proto::GetReportResponse { report, html }))
    }

    type StreamReportRowsStream = BoxStream<'static, Result<Rows, Status>>;

    async fn stream_report_rows(
        &self,
        request: Request<proto::StreamReportRowsRequest>,
    ) -> Result<Response<Self::StreamReportRowsStream>, Status> {
        let name = request.into_inner().name;
        let id = status::resource_id("name", "reports", &name)?;
        let (_, report) = self.reports.get(id).await.map_err(convert::report_error)?;
        let AnyReport::Estimator(report) = report else {
            let message = "only reports of EvaluateEstimator have rows of faces";
            return Err(status::precondition("NO_ROWS", &name, message));
        };
        let rows = self.reports.rows(&report).await.map_err(convert::report_error)?;
        let batches = convert::rows(rows).map(Ok);
        Ok(Response::new(stream::iter(batches).boxed()))
    }

    async fn list_reports(
        &self,
        request: Request<proto::ListReportsRequest>,
    ) -> Result<Response<proto::ListReportsResponse>, Status> {
        let request = request.into_inner();
        let (records, next_page_token) = page::of(
            self.reports.list().await.map_err(convert::report_error)?,
            |record| record.id.clone(),
            request.page_size,
            &request.page_token,
            PageLimits::USUAL,
        )?;
        let mut reports = Vec::with_capacity(records.len());
        for record in records {
            let (record, report) =
                self.reports.get(&record.id).await.map_err(convert::report_error)?;
            reports.push(convert::report(&record, report));
        }
        Ok(Response::new(proto::ListReportsResponse { reports, next_page_token }))
    }
}
