//! What the commands about photos share: which photos, and one after the other.

use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;

use agespan_client::explain;
use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use tonic::{Response, Status};

use crate::show;

/// Photos that are asked about at the same time: enough to fill the estimator's batches.
const UNDER_WAY: usize = 32;

/// The photos among the arguments: files as they are, the images of a folder in order of name.
pub(crate) fn among(arguments: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut photos = Vec::new();
    for argument in arguments {
        if !argument.is_dir() {
            photos.push(argument.clone());
            continue;
        }
        let mut inside: Vec<PathBuf> = fs::read_dir(argument)
            .with_context(|| format!("cannot read {}", argument.display()))?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        inside.retain(|path| is_image(path));
        inside.sort();
        photos.extend(inside);
    }
    if photos.is_empty() {
        bail!("there is no .jpg, .jpeg, .png or .webp file in the folder; name a photo");
    }
    Ok(photos)
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    ["jpg", "jpeg", "png", "webp"].contains(&extension.as_str())
}

/// Asks about every photo and takes the answers in the order of the photos. A photo that cannot be
/// used is reported and does not stop the others, but the exit code is then a failure.
pub(crate) async fn each<T>(
    photos: &[PathBuf],
    ask: impl AsyncFn(Bytes) -> Result<Response<T>, Status>,
    mut take: impl FnMut(&Path, T),
) -> ExitCode {
    let ask = &ask;
    let asked = photos.iter().map(|photo| async move { (photo, ask_about(photo, ask).await) });
    let mut answers = pin!(stream::iter(asked).buffered(UNDER_WAY));
    let mut code = ExitCode::SUCCESS;
    while let Some((photo, answer)) = answers.next().await {
        match answer {
            Ok(answer) => take(photo, answer),
            Err(error) => {
                show::error(&error.context(photo.display().to_string()));
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

async fn ask_about<T>(
    photo: &Path,
    ask: &impl AsyncFn(Bytes) -> Result<Response<T>, Status>,
) -> Result<T> {
    let image = fs::read(photo).context("cannot be read")?;
    let answer = ask(image.into()).await;
    Ok(answer.map_err(|status| anyhow!(explain(&status)))?.into_inner())
}

/// What a table calls a photo.
pub(crate) fn name(photo: &Path) -> String {
    photo.file_name().unwrap_or(photo.as_os_str()).to_string_lossy().into_owned()
}
