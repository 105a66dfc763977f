//! Between the protocol's words and the domain's.

use agespan_proto::age::v1::Gender as ProtoGender;
use agespan_proto::dataset::v1 as proto;
use agespan_service::{status, transport::timestamp};
use tonic::Status;

use crate::label::{Gender, Race, Split};
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

fn gender(gender: Gender) -> ProtoGender {
    match gender {
        Gender::Male => ProtoGender::Male,
        Gender::Female => ProtoGender::Female,
    }
}

fn race(race: Race) -> String {
    let name = match race {
        Race::White => "White",
        Race::Black => "Black",
        Race::Asian => "Asian",
        Race::Indian => "Indian",
        Race::Others => "Others",
    };
    name.to_owned()
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

pub(super) fn sample(row: &Row) -> proto::Sample {
    let quarantine = row.quarantine.clone();
    let (reason, detail) = quarantine.map(|q| (q.reason, q.detail)).unwrap_or_default();
    let gender = row.label.map_or(ProtoGender::Unspecified, |label| gender(label.gender));
    let split = row.split.map_or(proto::Split::Unspecified, split_to_proto);
    proto::Sample {
        path: row.path.clone(),
        age: row.label.map(|label| label.age.into()),
        gender: gender.into(),
        race: row.label.map(|label| race(label.race)).unwrap_or_default(),
        split: split.into(),
        pixel_hash: row.pixel_hash.map(|hash| hash.to_string()).unwrap_or_default(),
        quarantine_reason: reason,
        quarantine_detail: detail,
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
