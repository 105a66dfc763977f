use std::path::PathBuf;

use thiserror::Error;

use super::ColumnsError;
use crate::source::SourceError;

/// Why a source's labels cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The source has no label table, and none was named.
    #[error("the source holds no label table ({wanted}): put it there, or name it")]
    NoTable {
        /// The names that are looked for.
        wanted: &'static str,
    },
    /// A table was named for a format that has none.
    #[error("{table} was named, but labels of this format are in file names: leave it out")]
    NoTables {
        /// The table.
        table: PathBuf,
    },
    /// A named table is neither in the source nor on this machine.
    #[error("the label table {table} is neither in the source nor on the server's machine")]
    NotFound {
        /// The table.
        table: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
    /// A named table's name does not say which images it is for.
    #[error("the label table {table} is not named like one of this format ({wanted})")]
    Name {
        /// The table.
        table: String,
        /// The names that are understood.
        wanted: &'static str,
    },
    /// A table lacks a column.
    #[error("the label table {table} has no column {column:?}; it has {found}")]
    Column {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// The table's own columns.
        found: String,
    },
    /// A table cannot be read as CSV.
    #[error("the label table {table} cannot be read")]
    Csv {
        /// The table.
        table: String,
        /// What the reader found.
        source: csv::Error,
    },
    /// A table is too long, or its bytes are damaged.
    #[error("the label table {table} cannot be read: {why}")]
    Unreadable {
        /// The table.
        table: String,
        /// What is wrong.
        why: String,
    },
    /// The columns say too little.
    #[error(transparent)]
    Columns(#[from] ColumnsError),
    /// The source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
}
