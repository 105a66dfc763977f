//! Files of anybody's predictions, CSV or Parquet: a calibration is fitted, and applied to them.
#![no_main]

use agespan_conformal::Coverage;
use agespan_fuzz::{kept, let_panics_be_caught};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: let_panics_be_caught(), |data: &[u8]| {
    let parquet = data.starts_with(b"PAR1");
    let file = kept(if parquet { "rows.parquet" } else { "rows.csv" }, data);
    let Ok(calibration) = agespan::predictions::fit(&file, None, None) else { return };
    let _ = agespan::predictions::apply(&calibration, &file, None, Coverage::DEFAULT);
});
