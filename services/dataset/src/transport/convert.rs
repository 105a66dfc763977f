//! Between the protocol's words and the domain's.

use agespan_proto::age::v1::Gender as ProtoGender;
use agespan_proto::dataset::v1 as proto;
use agespan_service::{status, transport::timestamp};
use tonic::Status;

use crate::cluster::{self, Member, Tie};
use crate::label::{Age, Gender, Label, Race, Split};
use crate::layout::{Columns, Format};
use crate::manifest::Row;
use crate::record::{DatasetRecord, RecordError};
use crate::samples::SamplesError;
use crate::statistics::Statistics;

/// `None` when the caller did not say.
pub(super) fn split(field: &str, split: i32) -> Result<Option<Split>, Status> {
    match proto::Split::try_from(split) {
        Ok(proto::Split::Unspecified) => Ok(None),
        Ok(proto::Split::Train) => Ok(Some(Split::Train)),
        Ok(proto::Split::Validation) => Ok(Some(Split::Validation)),
        Ok(proto::Split::Calibration) => Ok(Some(Split::Calibration)),
        Ok(proto::Split::Test) => Ok(Some(Split::Test)),
        Err(_) => Err(status::invalid(field, "UNKNOWN_ENUM", "not a value of the enum")),
    }
}

fn split_to_proto(split: Split) -> proto::Split {
    match split {
        Split::Train => proto::Split::Train,
        Split::Validation => proto::Split::Validation,
        Split::Calibration => proto::Split::Calibration,
        Split::Test => proto::Split::Test,
    }
}

fn gender(gender: Option<Gender>) -> ProtoGender {
    match gender {
        None => ProtoGender::Unspecified,
        Some(Gender::Male) => ProtoGender::Male,
        Some(Gender::Female) => ProtoGender::Female,
    }
}

fn race(race: Option<Race>) -> String {
    let name = match race {
        None => "",
        Some(Race::White) => "White",
        Some(Race::Black) => "Black",
        Some(Race::Asian) => "Asian",
        Some(Race::Indian) => "Indian",
        Some(Race::Others) => "Others",
        Some(Race::EastAsian) => "East Asian",
        Some(Race::SoutheastAsian) => "Southeast Asian",
        Some(Race::MiddleEastern) => "Middle Eastern",
        Some(Race::LatinoHispanic) => "Latino or Hispanic",
    };
    name.to_owned()
}

/// How a source is laid out, with the columns that its tables have.
pub(super) fn format(format: i32, columns: Option<proto::Columns>) -> Result<Format, Status> {
    let format = match proto::Format::try_from(format) {
        Ok(proto::Format::Unspecified | proto::Format::Utkface) => Format::UtkFace,
        Ok(proto::Format::Fairface) => Format::FairFace,
        Ok(proto::Format::AppaReal) => Format::AppaReal,
        Ok(proto::Format::Agedb) => Format::AgeDb,
        Ok(proto::Format::Fgnet) => Format::FgNet,
        Ok(proto::Format::Lagenda) => Format::Lagenda,
        Ok(proto::Format::ImdbClean) => Format::ImdbClean,
        Ok(proto::Format::Table) => {
            let columns = self::columns(columns.unwrap_or_default());
            columns.check().map_err(|error| {
                let field = format!("columns.{}", error.missing);
                status::invalid(&field, "COLUMN_MISSING", error.to_string())
            })?;
            return Ok(Format::Table(Box::new(columns)));
        }
        Err(_) => return Err(status::invalid("format", "UNKNOWN_ENUM", "not a value of the enum")),
    };
    match columns {
        None => Ok(format),
        Some(_) => {
            let message = "this format has columns of its own; give them with FORMAT_TABLE only";
            Err(status::invalid("columns", "COLUMNS", message))
        }
    }
}

fn columns(columns: proto::Columns) -> Columns {
    let proto::Columns { path, age, age_lower, age_upper, gender, race, group, .. } = columns;
    let (left, top, right, bottom) = (columns.left, columns.top, columns.right, columns.bottom);
    Columns { path, age, age_lower, age_upper, gender, race, group, left, top, right, bottom }
}

pub(super) fn dataset(record: &DatasetRecord) -> proto::Dataset {
    let created = record.created.parse::<jiff::Timestamp>();
    proto::Dataset {
        name: format!("datasets/{}", record.name),
        content_hash: record.content_hash.to_string(),
        sample_count: record.faces(),
        quarantined_count: record.quarantined.values().sum(),
        splits: splits(record),
        seed: record.seed,
        create_time: created.ok().map(timestamp),
        manifest_path: record.manifest.path.clone(),
    }
}

pub(super) fn splits(record: &DatasetRecord) -> Vec<proto::SplitSummary> {
    let summary = |(split, part): (&Split, &crate::record::SplitRecord)| proto::SplitSummary {
        split: split_to_proto(*split).into(),
        sample_count: part.faces,
        content_hash: part.hash.to_string(),
    };
    record.splits.iter().map(summary).collect()
}

pub(super) fn sample(row: &Row, cluster: Option<&str>) -> proto::Sample {
    let quarantine = row.quarantine.clone();
    let (reason, detail) = quarantine.map(|q| (q.reason, q.detail)).unwrap_or_default();
    let gender = gender(row.label.and_then(|label| label.gender));
    let split = row.split.map_or(proto::Split::Unspecified, split_to_proto);
    proto::Sample {
        path: row.path.clone(),
        age: row.label.and_then(|label| label.age.exact()).map(u32::from),
        age_range: row.label.and_then(|label| label.age.range()).map(age_range),
        gender: gender.into(),
        race: race(row.label.and_then(|label| label.race)),
        subject: row.subject.clone().unwrap_or_default(),
        cluster: cluster.unwrap_or_default().to_owned(),
        split: split.into(),
        pixel_hash: row.pixel_hash.map(|hash| hash.to_string()).unwrap_or_default(),
        quarantine_reason: reason,
        quarantine_detail: detail,
    }
}

fn age_range((lower, upper): (u8, u8)) -> proto::AgeRange {
    proto::AgeRange { lower: lower.into(), upper: upper.into() }
}

/// Pixels with the labels of these rows.
pub(super) fn prepared(rows: &[Row], pixels: Vec<u8>, side: u32) -> proto::PreparedBatch {
    let labels = || rows.iter().filter_map(|row| row.label);
    let ends = |label: Label| match label.age {
        Age::Exact(age) => (u32::from(age), u32::from(age)),
        Age::Range(lower, upper) => (u32::from(lower), u32::from(upper)),
    };
    let (ages_lower, ages_upper) = labels().map(ends).unzip();
    proto::PreparedBatch {
        pixels: pixels.into(),
        side,
        ages_lower,
        ages_upper,
        genders: labels().map(|label| gender(label.gender).into()).collect(),
        paths: rows.iter().map(|row| row.path.clone()).collect(),
    }
}

/// A cluster with its rows, which are in the order of its members.
pub(super) fn cluster(members: &[Member], rows: &[&Row]) -> proto::Cluster {
    let shared = members
        .iter()
        .zip(rows)
        .map(|(member, row)| (row.timestamp.as_deref(), member.look, row.subject.as_deref()));
    let tie = |tie: Tie| match tie {
        Tie::Timestamp => proto::ClusterTie::Timestamp.into(),
        Tie::Look => proto::ClusterTie::Look.into(),
        Tie::Subject => proto::ClusterTie::Subject.into(),
    };
    let name = members.first().map(|member| member.cluster.as_str());
    proto::Cluster {
        ties: cluster::ties(shared).into_iter().map(tie).collect(),
        samples: rows.iter().map(|row| sample(row, name)).collect(),
    }
}

pub(super) fn statistics(statistics: Statistics) -> proto::GetDatasetStatisticsResponse {
    let cells =
        statistics.faces.into_iter().map(|((split, stratum), count)| proto::StatisticsCell {
            decade: stratum.decade.into(),
            gender: gender(stratum.gender).into(),
            race: race(stratum.race),
            split: split_to_proto(split).into(),
            count,
        });
    let quarantined = statistics.quarantined.into_iter();
    proto::GetDatasetStatisticsResponse {
        range_labelled_count: statistics.ranges,
        cluster_count: statistics.clusters,
        clustered_sample_count: statistics.clustered,
        cells: cells.collect(),
        quarantined: quarantined
            .map(|(reason, count)| proto::QuarantineCount { reason, count })
            .collect(),
    }
}

pub(super) fn record_error(error: RecordError) -> Status {
    let message = error.to_string();
    match error {
        RecordError::Name(_) => status::invalid("name", "DATASET_NAME", message),
        RecordError::NotFound(name) => {
            status::not_found("dataset", &format!("datasets/{name}"), message)
        }
        RecordError::Storage(source) => status::from_storage(source),
    }
}

pub(super) fn samples_error(error: SamplesError) -> Status {
    match error {
        SamplesError::Record(error) => record_error(error),
        SamplesError::Storage(source) => status::from_storage(source),
        error @ (SamplesError::Manifest(_) | SamplesError::NoBytes { .. }) => {
            status::internal(&error)
        }
    }
}
