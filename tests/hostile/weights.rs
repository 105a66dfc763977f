//! Files of weights that are damaged or lie.

use std::collections::BTreeMap;

use agespan_models::{WeightsError, weights};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SEED: u64 = 8;

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [(header.len() as u64).to_le_bytes().as_slice(), header.as_bytes(), data].concat()
}

fn sound() -> Vec<u8> {
    let header = r#"{"__metadata__":{"format":"pt"},
        "a.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},
        "b":{"dtype":"F16","shape":[4],"data_offsets":[24,32]},
        "c":{"dtype":"I64","shape":[],"data_offsets":[32,40]}}"#;
    file(header, &[1; 40])
}

/// Headers that promise what is not there, or what nobody could hold.
fn lies() -> Vec<Vec<u8>> {
    let one = |shape: &str, offsets: &str| {
        let header =
            format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}"#);
        file(&header, &[0; 16])
    };
    let empty = |shape: &str| {
        let header = format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":[0,0]}}}}"#);
        file(&header, &[])
    };
    vec![
        // No numbers at all, in sides of which libtorch cannot count the numbers.
        empty("[4611686018427387904,2,0]"),
        empty("[0,18446744073709551615]"),
        one("[4]", "[0,99999999999999]"),
        one("[4611686018427387904,4]", "[0,16]"),
        one("[18446744073709551615]", "[0,16]"),
        one("[0,18446744073709551615]", "[0,0]"),
        one("[-1]", "[0,16]"),
        one("[4]", "[16,0]"),
        one(&format!("[{}4]", "1,".repeat(100_000)), "[0,16]"),
        file(&format!("{}{}", "[".repeat(200_000), "]".repeat(200_000)), &[]),
        [u64::MAX.to_le_bytes().as_slice(), b"{}"].concat(),
        [(1u64 << 40).to_le_bytes().as_slice(), b"{}"].concat(),
    ]
}

#[test]
fn weights_from_strangers_are_read_or_refused() {
    let whole = sound();
    assert_eq!(weights::read(&whole).unwrap().len(), 3);
    let mut cases: Vec<Vec<u8>> = lies();
    cases.extend((0..whole.len()).map(|length| whole[..length].to_vec()));
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    for _ in 0..5000 {
        let mut broken = whole.clone();
        for _ in 0..random.random_range(1..=3) {
            let at = random.random_range(0..broken.len());
            broken[at] ^= 1 << random.random_range(0..8);
        }
        cases.push(broken);
    }
    let mut answers = BTreeMap::<&str, usize>::new();
    for case in &cases {
        let answer = match weights::read(case) {
            Ok(tensors) => {
                tensors.values().for_each(|tensor| assert!(tensor.numel() <= case.len()));
                "read"
            }
            Err(WeightsError::Malformed(_)) => "malformed",
            Err(WeightsError::Dtype { .. }) => "another type",
            Err(WeightsError::Tensor { .. }) => "refused by libtorch",
            Err(error) => panic!("{error}"),
        };
        *answers.entry(answer).or_default() += 1;
    }
    println!("seed {SEED}: {} files of weights: {answers:?}", cases.len());
}
