//! Parquet as Hugging Face's datasets writes it: the image is a struct of bytes and path, and the
//! schema says so in its metadata, so that it is read as an image without further word.

use std::fs::File;
use std::io::BufWriter;
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow_array::builder::{BinaryBuilder, StringBuilder, UInt8Builder};
use arrow_array::{ArrayRef, RecordBatch, StructArray};
use arrow_schema::{DataType, Field, Fields, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use serde_json::json;

use super::export::{Exported, Shards};

/// Rows of a row group: what a reader has to hold at once.
const GROUP: usize = 256;

/// A table under way.
pub(super) struct Shard {
    writer: ArrowWriter<BufWriter<File>>,
    schema: Arc<Schema>,
    columns: Columns,
}

impl Shards for Shard {
    const SAMPLES: u64 = 5000;

    fn name(split: &str, number: u64, count: u64) -> String {
        format!("{split}-{number:05}-of-{count:05}.parquet")
    }

    fn begin(file: File) -> Result<Self> {
        let schema = Arc::new(schema());
        // Compressed once already, and none like the other.
        let bytes = ColumnPath::from(vec!["image".to_owned(), "bytes".to_owned()]);
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_column_compression(bytes.clone(), Compression::UNCOMPRESSED)
            .set_column_dictionary_enabled(bytes, false)
            .build();
        let writer = ArrowWriter::try_new(BufWriter::new(file), schema.clone(), Some(properties))?;
        Ok(Self { writer, schema, columns: Columns::default() })
    }

    fn add(&mut self, sample: &Exported) -> Result<()> {
        self.columns.add(sample)?;
        if self.columns.rows == GROUP { self.group() } else { Ok(()) }
    }

    fn finish(mut self) -> Result<()> {
        self.group()?;
        self.writer.close()?;
        Ok(())
    }
}

impl Shard {
    fn group(&mut self) -> Result<()> {
        let columns = std::mem::take(&mut self.columns).finish();
        self.writer.write(&RecordBatch::try_new(self.schema.clone(), columns)?)?;
        Ok(self.writer.flush()?)
    }
}

fn image_fields() -> Fields {
    let nullable = true;
    Fields::from(vec![
        Field::new("bytes", DataType::Binary, nullable),
        Field::new("path", DataType::Utf8, nullable),
    ])
}

const AGES: [&str; 3] = ["age", "age_lower", "age_upper"];
const TEXTS: [&str; 5] = ["gender", "race", "subject", "path", "pixel_hash"];

fn schema() -> Schema {
    let image = Field::new("image", DataType::Struct(image_fields()), true);
    let ages = AGES.map(|name| Field::new(name, DataType::UInt8, true));
    let texts = TEXTS.map(|name| Field::new(name, DataType::Utf8, true));
    let fields: Vec<Field> = [image].into_iter().chain(ages).chain(texts).collect();
    let value = |dtype: &str| json!({"dtype": dtype, "_type": "Value"});
    let mut features = serde_json::Map::new();
    features.insert("image".into(), json!({"_type": "Image"}));
    features.extend(AGES.map(|name| (name.into(), value("uint8"))));
    features.extend(TEXTS.map(|name| (name.into(), value("string"))));
    let info = json!({"info": {"features": features}}).to_string();
    Schema::new(fields).with_metadata([("huggingface".to_owned(), info)])
}

#[derive(Default)]
struct Columns {
    rows: usize,
    bytes: BinaryBuilder,
    names: StringBuilder,
    ages: [UInt8Builder; 3],
    texts: [StringBuilder; 5],
}

impl Columns {
    fn add(&mut self, exported: &Exported) -> Result<()> {
        let sample = &exported.sample;
        self.rows += 1;
        self.bytes.append_value(&exported.image);
        self.names.append_value(format!("{:06}.{}", exported.number, exported.extension()));
        let (lower, upper) = exported.ages().unzip();
        for (column, age) in self.ages.iter_mut().zip([sample.age, lower, upper]) {
            let age = age.map(u8::try_from).transpose();
            column.append_option(age.with_context(|| format!("the age of {}", sample.path))?);
        }
        let texts = [
            exported.gender(),
            Exported::said(&sample.race),
            Exported::said(&sample.subject),
            Some(sample.path.as_str()),
            Some(sample.pixel_hash.as_str()),
        ];
        for (column, text) in self.texts.iter_mut().zip(texts) {
            column.append_option(text);
        }
        Ok(())
    }

    fn finish(mut self) -> Vec<ArrayRef> {
        let image: Vec<ArrayRef> =
            vec![Arc::new(self.bytes.finish()), Arc::new(self.names.finish())];
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(StructArray::new(image_fields(), image, None))];
        columns.extend(self.ages.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
        columns.extend(self.texts.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
        columns
    }
}
