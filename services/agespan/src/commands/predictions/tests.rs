use std::fs::File;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use agespan_conformal::Prediction;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, ListArray, RecordBatch,
    StringArray,
};
use tempfile::TempDir;

use super::*;

/// More than one part, batch and block, and no whole number of any.
const ROWS: usize = 150_001;

fn row(index: usize) -> (f64, f64, &'static str) {
    let prediction = (index * 7919 % 1160) as f64 / 10.0;
    let truth = (prediction + (index * 31 % 41) as f64 / 4.0 - 5.0).clamp(0.0, 116.0);
    (prediction, truth, ["a", "b \"quoted\"", ""][index % 3])
}

/// By the statistics alone, row by row.
fn expected() -> (Calibration, Vec<(f64, f64)>) {
    let spec = CalibrationSpec::new(Score::Absolute, Grouping::Label);
    let prediction = |index| {
        let (prediction, _, label) = row(index);
        Prediction::new(prediction, 0.0).unwrap().with_label(label)
    };
    let rows = (0..ROWS).map(|index| (prediction(index), row(index).1));
    let calibration = Calibration::fit(spec, AgeSupport::default(), rows).unwrap();
    let at = calibration.at(Coverage::DEFAULT);
    let ends = (0..ROWS).map(|index| at.bounds(&prediction(index)));
    let ends = ends.map(|bounds| (bounds.lower, bounds.upper)).collect();
    (calibration.clone(), ends)
}

fn fit_and_apply(folder: &TempDir, name: &str) -> (Calibration, std::path::PathBuf) {
    let spec = CalibrationSpec::new(Score::Absolute, Grouping::Label);
    let file = folder.path().join(name);
    let table = Table::open(&file).unwrap().for_spec(spec);
    let fitting = table.fit(|| Fitting::new(spec, AgeSupport::default())).unwrap();
    let calibration = fitting.finish().unwrap();
    let out = apply::apply(&calibration, &file, None, Coverage::DEFAULT).unwrap();
    (calibration, out)
}

#[test]
fn csv_is_copied_beside_exact_intervals() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = ::csv::Writer::from_path(folder.path().join("rows.csv")).unwrap();
    writer.write_record(["group", "prediction", "truth", "note"]).unwrap();
    for index in 0..ROWS {
        let (prediction, truth, label) = row(index);
        let note = if index % 1000 == 0 { "two\nlines" } else { "" };
        let fields = [label, &prediction.to_string(), &truth.to_string(), note];
        writer.write_record(fields).unwrap();
    }
    drop(writer);
    let (calibration, out) = fit_and_apply(&folder, "rows.csv");
    let (expected, ends) = expected();
    assert_eq!(calibration, expected);
    let mut reader = ::csv::Reader::from_path(out).unwrap();
    let mut count = 0;
    for (record, (index, ends)) in reader.records().zip(ends.iter().enumerate()) {
        let record = record.unwrap();
        assert_eq!((&record[0], record.len()), (row(index).2, 6));
        let number = |place: usize| record[place].parse::<f64>().unwrap();
        assert_eq!((number(1), number(4), number(5)), (row(index).0, ends.0, ends.1));
        count += 1;
    }
    assert_eq!(count, ROWS);
}

/// Labels as text or in a dictionary, and columns that are nobody's business.
fn batch(dictionary: bool) -> RecordBatch {
    let numbers = |of: &dyn Fn(usize) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values((0..ROWS).map(of)))
    };
    let labels = (0..ROWS).map(|index| Some(row(index).2).filter(|label| !label.is_empty()));
    let labels: ArrayRef = match dictionary {
        true => Arc::new(labels.collect::<DictionaryArray<Int32Type>>()),
        false => Arc::new(labels.collect::<StringArray>()),
    };
    let lists = (0..ROWS).map(|index| Some((0..index % 3).map(|item| Some(item as i32))));
    let ids: Vec<Option<i64>> =
        (0..ROWS).map(|index| Some(index as i64).filter(|id| id % 7 > 0)).collect();
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("lists", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists)), true),
        ("prediction", numbers(&|index| row(index).0), false),
        ("group", labels, true),
        ("id", Arc::new(Int64Array::from(ids)), true),
        ("truth", numbers(&|index| row(index).1), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

#[test]
fn parquet_is_copied_beside_exact_intervals() {
    let folder = tempfile::tempdir().unwrap();
    let (expected, ends) = expected();
    for (name, dictionary) in [("text.parquet", false), ("dictionary.parquet", true)] {
        let batch = batch(dictionary);
        let note = KeyValue::new("note".to_owned(), "kept".to_owned());
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(ROWS * 2 / 3))
            .set_key_value_metadata(Some(vec![note.clone()]))
            .build();
        let file = File::create(folder.path().join(name)).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();

        let (calibration, out) = fit_and_apply(&folder, name);
        assert_eq!(calibration, expected);
        let file = File::open(out).unwrap();
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let notes = builder.metadata().file_metadata().key_value_metadata().unwrap();
        assert!(notes.contains(&note), "{notes:?}");
        let mut first = 0;
        for written in builder.build().unwrap() {
            let written = written.unwrap();
            let rows = written.num_rows();
            for place in 0..batch.num_columns() {
                let original = batch.column(place).slice(first, rows);
                assert_eq!(written.column(place).as_ref(), original.as_ref());
            }
            for (name, of) in [("lower", 0), ("upper", 1)] {
                let column = written.column_by_name(name).unwrap().as_primitive::<Float64Type>();
                let expected = ends[first..first + rows].iter();
                let expected: Vec<f64> =
                    expected.map(|ends| if of == 0 { ends.0 } else { ends.1 }).collect();
                assert_eq!(column.values().as_ref(), expected);
            }
            first += rows;
        }
        assert_eq!(first, ROWS);
    }
}

#[test]
fn a_bad_row_of_a_parquet_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.parquet");
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(40), None, Some(41)]));
    let batch = [("prediction", numbers.clone()), ("truth", numbers)];
    let batch = RecordBatch::try_from_iter(batch).unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let spec = CalibrationSpec::new(Score::Absolute, Grouping::None);
    let table = Table::open(&path).unwrap();
    let error = table.fit(|| Fitting::new(spec, AgeSupport::default())).unwrap_err();
    assert!(format!("{error:#}").contains("bad.parquet row 2: "), "{error:#}");
}

/// Fitted, and applied to itself.
fn read(path: &Path) -> Result<()> {
    let calibration = fit(path, None, None)?;
    apply::apply(&calibration, path, None, Coverage::DEFAULT).map(drop)
}

#[test]
fn a_file_with_any_bit_turned_over_is_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ages: ArrayRef = Arc::new(Float64Array::from_iter_values((20..40).map(f64::from)));
    let batch = [("prediction", ages.clone()), ("truth", ages)];
    let batch = RecordBatch::try_from_iter(batch).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    let csv = b"prediction,truth,group\n40,41,\"a\"\n20.5,22,b\r\n1e1,9,\n".to_vec();
    // What the library says when it gives up.
    std::panic::set_hook(Box::new(|_| {}));
    for (name, whole) in [("rows.parquet", writer.into_inner().unwrap()), ("rows.csv", csv)] {
        let path = folder.path().join(name);
        let (mut sound, mut refused) = (0, 0);
        let turned = (0..8 * whole.len()).map(|bit| {
            let mut turned = whole.clone();
            turned[bit / 8] ^= 1 << (bit % 8);
            turned
        });
        let cut = (0..whole.len()).map(|length| whole[..length].to_vec());
        for bytes in turned.chain(cut) {
            std::fs::write(&path, bytes).unwrap();
            match read(&path) {
                Ok(()) => sound += 1,
                Err(_) => refused += 1,
            }
        }
        println!("{name}: {sound} were read, {refused} refused");
        assert!(sound > 50 && refused > 50, "{name}: {sound} were read, {refused} refused");
    }
    let _ = std::panic::take_hook();
}
