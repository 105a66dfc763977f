//! Figures of a run as TensorBoard reads them: a file of TFRecords, each an `Event`.
//!
//! A record is its length (u64), the masked CRC-32C of the length, the bytes, and their masked
//! CRC-32C, all little-endian. Source: tensorflow/core/lib/io/record_writer.h for the framing,
//! tensorflow/core/util/event.proto and summary.proto for the messages; fields that are not written
//! are left out here.

use prost::Message;

use super::trainer::Event as Told;

/// What the first record says.
const VERSION: &str = "brain.Event:2";

#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// The first record of a file that begins at `wall_time`, in seconds since 1970.
pub fn begin(wall_time: f64) -> Vec<u8> {
    record(&Event { wall_time, file_version: Some(VERSION.to_owned()), ..Event::default() })
}

/// The record of what a run told, where it told figures.
pub fn of(wall_time: f64, told: &Told) -> Option<Vec<u8>> {
    match told {
        Told::Step { step, loss, learning_rate, images_per_second, .. } => {
            let figures = [
                ("training/loss", *loss),
                ("training/learning_rate", *learning_rate),
                ("training/images_per_second", *images_per_second),
            ];
            Some(scalars(wall_time, *step, &figures))
        }
        Told::Epoch { step, figures, .. } => {
            let validation = &figures.validation;
            let figures = [
                ("validation/mae", validation.mae),
                ("validation/within_five", validation.within_five),
                ("validation/gender_balanced_accuracy", validation.gender_balanced_accuracy),
            ];
            Some(scalars(wall_time, *step, &figures))
        }
        Told::Checkpoint(_) => None,
    }
}

/// A record of figures by name, at a step.
fn scalars(wall_time: f64, step: u64, figures: &[(&str, f64)]) -> Vec<u8> {
    let value = |&(tag, value): &(&str, f64)| Value {
        tag: tag.to_owned(),
        simple_value: Some(value as f32),
    };
    let summary = Some(Summary { values: figures.iter().map(value).collect() });
    record(&Event { wall_time, step: step as i64, summary, ..Event::default() })
}

fn record(event: &Event) -> Vec<u8> {
    let event = event.encode_to_vec();
    let length = (event.len() as u64).to_le_bytes();
    let mut bytes = length.to_vec();
    bytes.extend(masked(&length));
    bytes.extend(&event);
    bytes.extend(masked(&event));
    bytes
}

/// A checksum of bytes that hold checksums themselves says little, hence the mask.
fn masked(bytes: &[u8]) -> [u8; 4] {
    let sum = crc32c::crc32c(bytes);
    sum.rotate_right(15).wrapping_add(0xA282_EAD8).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// tests/golden/event_file.py
    const GOLDEN: &str = include_str!("../../../../tests/golden/event_file.json");

    #[test]
    fn the_bytes_are_those_of_tensorboards_own_writer() {
        let golden: serde_json::Value = serde_json::from_str(GOLDEN).unwrap();
        let mut bytes = begin(1_700_000_000.25);
        bytes.extend(scalars(1_700_000_001.5, 0, &[("training/loss", 3.25)]));
        let figures = [("validation/mae", 4.8), ("validation/within five", 0.64)];
        bytes.extend(scalars(1_700_000_002.0, 230, &figures));
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, golden["hex"].as_str().unwrap());
    }
}
