//! What each RPC asks for. The table is all there is: an RPC that it does not know is for admins
//! alone, and a test holds it against the protos.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use clap::ValueEnum;
use serde::Deserialize;

use Permission::{Admin, Jobs, Models, Predict};

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Ask about photos and predictions, see which models and calibrations there are, report true
    /// ages.
    Predict,
    /// Read data sets, faces included, and reports; train, fine-tune, draw and evaluate; follow,
    /// cancel and retry jobs.
    Jobs,
    /// Decide by what is answered: fit, activate and take back calibrations, activate models.
    Models,
    /// All of it, and what cannot be undone or reads the server's own files: import and delete data
    /// sets, add pipelines, compare images, delete jobs.
    Admin,
}

impl Permission {
    /// Whether who holds it has `asked`.
    pub(super) fn covers(self, asked: Self) -> bool {
        self == Admin || self == asked
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Predict => "predict",
            Jobs => "jobs",
            Models => "models",
            Admin => "admin",
        })
    }
}

/// What a server with a tokens file wants before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: probes have no tokens.
    Nothing,
    /// Any token that is known.
    Token,
    /// A token with this permission.
    Permission(Permission),
}

/// A field of a request: its name, and the numbers by which it is found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "says what the numbers mean; tests compare them")
    )]
    name: &'static str,
    pub(super) numbers: &'static [u32],
    /// All numbers of the oneof that the first of them is part of.
    pub(super) oneof: &'static [u32],
}

/// An RPC.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    service: &'static str,
    method: &'static str,
    pub(super) need: Need,
    /// For an administrative call, which is written down: the field that says what it is about.
    pub(super) about: Option<Field>,
}

/// What an unknown RPC is taken for.
const UNKNOWN: Rule = asks("", "", Admin);

/// A call that changes nothing, or nothing that has to be written down.
const fn asks(service: &'static str, method: &'static str, permission: Permission) -> Rule {
    Rule { service, method, need: Need::Permission(permission), about: None }
}

/// An administrative call.
const fn acts(
    service: &'static str,
    method: &'static str,
    permission: Permission,
    name: &'static str,
    numbers: &'static [u32],
) -> Rule {
    let about = Some(Field { name, numbers, oneof: &[] });
    Rule { service, method, need: Need::Permission(permission), about }
}

/// About a field of the message whose number comes first in `oneof`.
const fn acts_by_part(
    service: &'static str,
    method: &'static str,
    permission: Permission,
    name: &'static str,
    (numbers, oneof): (&'static [u32], &'static [u32]),
) -> Rule {
    let about = Some(Field { name, numbers, oneof });
    Rule { service, method, need: Need::Permission(permission), about }
}

const fn open(service: &'static str, method: &'static str, need: Need) -> Rule {
    Rule { service, method, need, about: None }
}

const CALIBRATOR: &str = "agespan.calibrator.v1.CalibratorService";
const DATASET: &str = "agespan.dataset.v1.DatasetService";
const ESTIMATOR: &str = "agespan.estimator.v1.EstimatorService";
const EVALUATOR: &str = "agespan.evaluator.v1.EvaluatorService";
const GENERATOR: &str = "agespan.generator.v1.GeneratorService";
const JOB: &str = "agespan.job.v1.JobService";
const KSERVE: &str = "inference.GRPCInferenceService";
const HEALTH: &str = "grpc.health.v1.Health";

const RULES: &[Rule] = &[
    asks(CALIBRATOR, "PredictIntervals", Predict),
    asks(CALIBRATOR, "PredictShiftedIntervals", Predict),
    asks(CALIBRATOR, "GetCalibration", Predict),
    asks(CALIBRATOR, "ListCalibrations", Predict),
    asks(CALIBRATOR, "DiffCalibrations", Predict),
    asks(CALIBRATOR, "WatchCalibration", Predict),
    asks(CALIBRATOR, "GetCoverage", Predict),
    asks(CALIBRATOR, "ReportOutcomes", Predict),
    acts_by_part(CALIBRATOR, "FitCalibration", Models, "spec.model", (&[1, 5], &[1, 2])),
    acts(CALIBRATOR, "ActivateCalibration", Models, "name", &[1]),
    acts(CALIBRATOR, "RollbackCalibration", Models, "model", &[1]),
    asks(DATASET, "GetDataset", Jobs),
    asks(DATASET, "ListDatasets", Jobs),
    asks(DATASET, "GetDatasetStatistics", Jobs),
    asks(DATASET, "GetSplits", Jobs),
    asks(DATASET, "ListSamples", Jobs),
    asks(DATASET, "ListClusters", Jobs),
    asks(DATASET, "GetSampleImages", Jobs),
    asks(DATASET, "StreamSamples", Jobs),
    acts(DATASET, "ImportDataset", Admin, "dataset_id", &[1]),
    acts(DATASET, "DeleteDataset", Admin, "name", &[1]),
    asks(ESTIMATOR, "EstimateAge", Predict),
    asks(ESTIMATOR, "BatchEstimateAge", Predict),
    asks(ESTIMATOR, "StreamEstimateAge", Predict),
    // Its decisions are written down where they are made.
    asks(ESTIMATOR, "VerifyAge", Predict),
    asks(ESTIMATOR, "ListModels", Predict),
    asks(ESTIMATOR, "GetModel", Predict),
    asks(ESTIMATOR, "GetTraining", Jobs),
    acts(ESTIMATOR, "TrainModel", Jobs, "dataset", &[1]),
    acts(ESTIMATOR, "ActivateModel", Models, "name", &[1]),
    asks(EVALUATOR, "GetReport", Jobs),
    asks(EVALUATOR, "ListReports", Jobs),
    asks(EVALUATOR, "StreamReportRows", Jobs),
    acts(EVALUATOR, "EvaluateEstimator", Jobs, "dataset", &[1]),
    acts(EVALUATOR, "CrossCheckGenerated", Jobs, "generated", &[1]),
    acts(EVALUATOR, "EvaluateImages", Admin, "reference", &[1]),
    asks(GENERATOR, "ListPipelines", Jobs),
    asks(GENERATOR, "GetPipeline", Jobs),
    asks(GENERATOR, "StreamGeneratedFaces", Jobs),
    acts(GENERATOR, "GenerateFaces", Jobs, "pipeline", &[1]),
    acts(GENERATOR, "FineTunePipeline", Jobs, "pipeline", &[1]),
    acts(GENERATOR, "AddPipeline", Admin, "source", &[1]),
    asks(JOB, "GetJob", Jobs),
    asks(JOB, "ListJobs", Jobs),
    asks(JOB, "WatchJob", Jobs),
    acts(JOB, "CancelJob", Jobs, "name", &[1]),
    acts(JOB, "RetryJob", Jobs, "name", &[1]),
    acts(JOB, "DeleteJob", Admin, "name", &[1]),
    asks(KSERVE, "ModelInfer", Predict),
    asks(KSERVE, "ModelMetadata", Predict),
    asks(KSERVE, "ModelReady", Predict),
    asks(KSERVE, "ServerMetadata", Predict),
    open(KSERVE, "ServerLive", Need::Nothing),
    open(KSERVE, "ServerReady", Need::Nothing),
    open(HEALTH, "Check", Need::Nothing),
    open(HEALTH, "Watch", Need::Nothing),
    open("grpc.reflection.v1.ServerReflection", "ServerReflectionInfo", Need::Token),
    open("grpc.reflection.v1alpha.ServerReflection", "ServerReflectionInfo", Need::Token),
];

static BY_PATH: LazyLock<HashMap<String, &Rule>> = LazyLock::new(|| {
    let by_path = |rule: &'static Rule| (format!("/{}/{}", rule.service, rule.method), rule);
    RULES.iter().map(by_path).collect()
});

/// The rule of the RPC at `path`, /package.Service/Method.
pub(super) fn of(path: &str) -> &'static Rule {
    BY_PATH.get(path).copied().unwrap_or(&UNKNOWN)
}

/// package.Service/Method of the RPC at `path`; none of one that there is not.
pub(crate) fn method(path: &str) -> Option<&'static str> {
    BY_PATH.get_key_value(path)?.0.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use agespan_proto::DESCRIPTORS;
    use prost::Message;
    use prost_types::field_descriptor_proto::Type;
    use prost_types::{
        DescriptorProto, FieldDescriptorProto, FileDescriptorSet, MethodDescriptorProto,
    };

    use super::*;

    fn descriptors() -> FileDescriptorSet {
        let mut all = FileDescriptorSet::decode(DESCRIPTORS).unwrap();
        for more in [
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ] {
            all.file.extend(FileDescriptorSet::decode(more).unwrap().file);
        }
        all
    }

    /// Every RPC of the protos: package.Service, and what it is.
    fn methods(all: &FileDescriptorSet) -> Vec<(String, MethodDescriptorProto)> {
        let mut found = Vec::new();
        for file in &all.file {
            for service in &file.service {
                let name = format!("{}.{}", file.package(), service.name());
                found.extend(service.method.iter().map(|method| (name.clone(), method.clone())));
            }
        }
        found
    }

    fn message<'a>(all: &'a FileDescriptorSet, name: &str) -> &'a DescriptorProto {
        let messages = all.file.iter().flat_map(|file| {
            file.message_type
                .iter()
                .map(move |it| (format!(".{}.{}", file.package(), it.name()), it))
        });
        messages.into_iter().find(|(full, _)| full == name).unwrap().1
    }

    /// The numbers of all fields that stand in one oneof with this one; none when it is in none.
    fn oneof(all: &FileDescriptorSet, request: &str, number: u32) -> Vec<u32> {
        let message = message(all, request);
        let place = |field: &FieldDescriptorProto| field.oneof_index;
        let is_it = |field: &&FieldDescriptorProto| u32::try_from(field.number()) == Ok(number);
        let Some(index) = message.field.iter().find(is_it).and_then(place) else { return vec![] };
        let same = message.field.iter().filter(|field| place(field) == Some(index));
        same.map(|field| u32::try_from(field.number()).unwrap()).collect()
    }

    /// The numbers of a field such as "spec.model", which has to be a text.
    fn numbers(all: &FileDescriptorSet, request: &str, name: &str) -> Vec<u32> {
        let (mut at, mut kind, mut numbers) = (request.to_owned(), Type::Message, Vec::new());
        for part in name.split('.') {
            let fields = &message(all, &at).field;
            let field = fields.iter().find(|field| field.name() == part).unwrap();
            numbers.push(u32::try_from(field.number()).unwrap());
            (at, kind) = (field.type_name().to_owned(), field.r#type());
        }
        assert_eq!(kind, Type::String, "{request}.{name}");
        numbers
    }

    #[test]
    fn every_rpc_has_its_rule_and_no_rule_is_left_over() {
        let mut known = BTreeSet::new();
        for rule in RULES {
            let path = format!("/{}/{}", rule.service, rule.method);
            assert!(known.insert(path.clone()), "{path} has two rules");
        }
        let all = descriptors();
        for (service, method) in methods(&all) {
            let path = format!("/{service}/{}", method.name());
            assert!(known.remove(&path), "{path} has no rule: say what it asks for");
        }
        assert!(known.is_empty(), "rules without an RPC: {known:?}");
    }

    #[test]
    fn what_nobody_offers_has_no_name() {
        let check = "grpc.health.v1.Health/Check";
        assert_eq!(method(&format!("/{check}")), Some(check));
        for made_up in ["/a/B", check, "", "/"] {
            assert_eq!(method(made_up), None, "{made_up}");
        }
    }

    #[test]
    fn what_an_administrative_call_is_about_is_found_by_its_numbers() {
        let all = descriptors();
        for (service, method) in methods(&all) {
            let rule = of(&format!("/{service}/{}", method.name()));
            if let Some(field) = rule.about {
                assert_eq!(numbers(&all, method.input_type(), field.name), field.numbers);
                assert_eq!(oneof(&all, method.input_type(), field.numbers[0]), field.oneof);
            }
        }
    }

    #[test]
    fn calls_that_change_something_are_written_down() {
        let harmless = ["Get", "List", "Stream", "Watch", "Predict", "Diff", "Check", "Server"];
        // It answers, it is written down in the estimator, and it is the callers' own figures.
        let answers = ["EstimateAge", "BatchEstimateAge", "VerifyAge", "ReportOutcomes"];
        let of_kserve = ["ModelInfer", "ModelMetadata", "ModelReady"];
        for rule in RULES.iter().filter(|rule| rule.about.is_none()) {
            let quiet = harmless.iter().any(|word| rule.method.starts_with(word))
                || answers.contains(&rule.method)
                || of_kserve.contains(&rule.method);
            assert!(quiet, "{} is not written down", rule.method);
        }
        assert_eq!(of("/agespan.none.v1.None/Anything").need, Need::Permission(Admin));
    }
}
