//! `agespan train`.

use agespan_client::proto::estimator::v1 as proto;
use anyhow::Result;

use crate::arguments::{Backbone, Train};
use crate::commands::{Session, model, resource};

/// Trains a model behind a progress bar and shows it.
pub(crate) async fn run(session: &Session, train: &Train) -> Result<()> {
    let name = train_model(session, train).await?;
    if let Some(folder) = &train.out {
        model::write_training(session, &name, folder).await?;
    }
    if train.activate {
        model::activate(session, &name).await
    } else {
        model::show(session, &name).await
    }
}

/// Trains a model and gives its name.
pub(crate) async fn train_model(session: &Session, train: &Train) -> Result<String> {
    let request = proto::TrainModelRequest {
        dataset: resource("datasets", &train.dataset),
        epochs: train.epochs,
        seed: train.seed,
        max_samples: train.max_samples,
        age_bins: train.age_bins,
        backbone: backbone(train.backbone).into(),
        input_size: train.input_size.unwrap_or_default(),
        from: train.from.as_deref().map(|name| resource("models", name)).unwrap_or_default(),
        teachers: train.teachers.iter().map(|name| resource("models", name)).collect(),
        teacher_weight: train.teacher_weight,
        mixup: train.mixup,
        learning_rate: train.learning_rate,
        precision: match train.bfloat16 {
            true => proto::Precision::Bfloat16.into(),
            false => proto::Precision::Unspecified.into(),
        },
        mirrored: train.mirrored,
        ..Default::default()
    };
    let answer = session.client.estimator().train_model(request).await?.into_inner();
    session.follow("training", answer.job).await
}

fn backbone(backbone: Option<Backbone>) -> proto::Backbone {
    match backbone {
        None => proto::Backbone::Unspecified,
        Some(Backbone::MobilenetV2) => proto::Backbone::MobilenetV2,
        Some(Backbone::MobilenetV1Faces) => proto::Backbone::MobilenetV1Faces,
        Some(Backbone::FaceResnet) => proto::Backbone::FaceResnet,
    }
}
