//! `agespan dataset import`.

use std::path::Path;

use agespan_client::proto::dataset::v1 as proto;
use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::arguments::{Import, ImportFormat};
use crate::commands::Session;

/// Imports an archive or folder of UTKFace and gives the data set's name.
pub(crate) async fn import(
    session: &Session,
    source: &Path,
    name: &str,
    seed: u64,
) -> Result<String> {
    let command = Import {
        source: source.to_owned(),
        name: Some(name.to_owned()),
        format: ImportFormat::Utkface,
        csv: Vec::new(),
        columns: Vec::new(),
        seed,
        fractions: Vec::new(),
    };
    with(session, command).await
}

/// Imports an archive or folder and gives the data set's name.
pub(super) async fn with(session: &Session, command: Import) -> Result<String> {
    // The server may have another working directory.
    let source = command.source.canonicalize();
    let source = source.with_context(|| format!("cannot find {}", command.source.display()))?;
    // What is no file here is a path inside the source.
    let table = |table: &Path| match table.canonicalize() {
        Ok(file) if file.is_file() => file.display().to_string(),
        _ => table.display().to_string(),
    };
    let name = || command.format.to_possible_value().map(|value| value.get_name().to_owned());
    let request = proto::ImportDatasetRequest {
        dataset_id: command.name.or_else(name).unwrap_or_default(),
        source: source.display().to_string(),
        format: format(command.format).into(),
        seed: command.seed,
        request_id: String::new(),
        tables: command.csv.iter().map(|path| table(path)).collect(),
        columns: columns(&command.columns)?,
        fractions: fractions(&command.fractions)?,
    };
    let answer = session.client.datasets().import_dataset(request).await?.into_inner();
    session.follow("importing", answer.job).await
}

fn format(format: ImportFormat) -> proto::Format {
    match format {
        ImportFormat::Utkface => proto::Format::Utkface,
        ImportFormat::Fairface => proto::Format::Fairface,
        ImportFormat::AppaReal => proto::Format::AppaReal,
        ImportFormat::Agedb => proto::Format::Agedb,
        ImportFormat::Fgnet => proto::Format::Fgnet,
        ImportFormat::Lagenda => proto::Format::Lagenda,
        ImportFormat::ImdbClean => proto::Format::ImdbClean,
        ImportFormat::Table => proto::Format::Table,
    }
}

fn fractions(shares: &[f64]) -> Result<Option<proto::SplitFractions>> {
    match *shares {
        [] => Ok(None),
        [train, validation, calibration, test] => {
            Ok(Some(proto::SplitFractions { train, validation, calibration, test }))
        }
        _ => bail!("--fractions takes four shares: train, validation, calibration and test"),
    }
}

/// From "path=file", "age=years" and the like.
fn columns(pairs: &[String]) -> Result<Option<proto::Columns>> {
    let mut columns = proto::Columns::default();
    for pair in pairs {
        let (field, column) = pair
            .split_once('=')
            .with_context(|| format!("--columns {pair}: write it as field=column"))?;
        let named = match field.trim() {
            "path" => &mut columns.path,
            "age" => &mut columns.age,
            "age_lower" => &mut columns.age_lower,
            "age_upper" => &mut columns.age_upper,
            "gender" => &mut columns.gender,
            "race" => &mut columns.race,
            "group" => &mut columns.group,
            "left" => &mut columns.left,
            "top" => &mut columns.top,
            "right" => &mut columns.right,
            "bottom" => &mut columns.bottom,
            _ => bail!(
                "--columns {pair}: the fields are path, age, age_lower, age_upper, gender, race, \
                 group, left, top, right and bottom"
            ),
        };
        column.trim().clone_into(named);
    }
    Ok((!pairs.is_empty()).then_some(columns))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::arguments::{Arguments, Command, Dataset};

    #[test]
    fn fractions_are_four_in_one_argument() {
        let read = |shares: &str| {
            let typed = ["agespan", "dataset", "import", "faces", "--fractions", shares];
            let parsed = Arguments::try_parse_from(typed).unwrap();
            let Command::Dataset(Dataset::Import(import)) = parsed.command else { panic!() };
            fractions(&import.fractions)
        };
        let given = read("0.7,0.08,0.11,0.11").unwrap().unwrap();
        assert_eq!((given.train, given.validation), (0.7, 0.08));
        assert_eq!((given.calibration, given.test), (0.11, 0.11));
        assert!(read("0.7,0.3").unwrap_err().to_string().contains("four shares"));
        assert_eq!(fractions(&[]).unwrap(), None);
    }

    #[test]
    fn columns_are_read_from_pairs() {
        let pairs =
            |pairs: &[&str]| columns(&pairs.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>());
        let read = pairs(&["path=file", "age = real age"]).unwrap().unwrap();
        assert_eq!((read.path.as_str(), read.age.as_str()), ("file", "real age"));
        assert_eq!(pairs(&[]).unwrap(), None);
        assert!(pairs(&["file"]).is_err());
        assert!(pairs(&["size=x"]).unwrap_err().to_string().contains("age_lower"));
    }
}
