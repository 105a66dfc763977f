//! How many threads libtorch takes. How they wait is in the process's environment.

/// Sets the number of threads of one operation, for the whole process.
pub fn set_count(threads: usize) {
    tch::set_num_threads(i32::try_from(threads.max(1)).unwrap_or(1));
}
