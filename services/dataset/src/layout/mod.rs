//! How data sets lay out their files and labels, one file each with the layout on top.
//!
//! * Labels in file names: [`utkface`], `agedb`, `fgnet`.
//! * Labels in tables, which `table` reads: `fairface`, `appa_real`, `lagenda`, `imdb_clean`, and
//!   any other by its [`Columns`].
//!
//! `value` reads the texts of labels, `face_box` cuts a face out of a photo. The parts that a data
//! set itself is cut into (train, val, test folders) are not kept: splits of one's own are dealt
//! out of all faces, so that calibration and test are exchangeable.

mod agedb;
mod appa_real;
mod columns;
mod error;
mod face_box;
mod fairface;
mod fault;
mod fgnet;
mod imdb_clean;
mod lagenda;
mod table;
pub mod utkface;
mod value;

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use columns::{Columns, ColumnsError};
pub use error::LayoutError;
pub use face_box::{Crop, FaceBox};
pub use fault::Fault;
use table::{Table, TableLayout};

use crate::label::Label;
use crate::source::Source;

/// A layout that can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// UTKFace: labels in file names.
    #[default]
    UtkFace,
    /// FairFace: age ranges in tables.
    FairFace,
    /// APPA-REAL: real ages in tables.
    AppaReal,
    /// AgeDB: labels and names in file names.
    AgeDb,
    /// FG-NET: ages and subjects in file names.
    FgNet,
    /// LAGENDA: photos with face boxes in a table.
    Lagenda,
    /// IMDB-clean: photos with face boxes in tables.
    ImdbClean,
    /// Any table with these columns.
    Table(Box<Columns>),
}

/// What a data set says of one face.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// Age, and gender and race where there are.
    pub label: Label,
    /// When the picture was collected, in digits.
    pub timestamp: Option<String>,
    /// Who it is: a person's photos stay in one split.
    pub subject: Option<String>,
    /// Where the face is, if the photo is to be cut to it.
    pub face: Option<FaceBox>,
}

/// The line of a label table that a file claims for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// Its number among all lines.
    pub line: usize,
    /// Of several files that claim one line the lowest rank is the one meant.
    pub rank: u8,
}

/// One face of a file, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The face, if its label can be read.
    pub annotation: Result<Annotation, Fault>,
    /// The line of a table that it comes from.
    pub claim: Option<Claim>,
}

/// A layout, with its tables read.
#[derive(Debug)]
pub struct Layout {
    kind: Kind,
    /// Files of the source that are label tables and no samples.
    tables: BTreeSet<String>,
}

#[derive(Debug)]
enum Kind {
    Names(fn(&str) -> Result<Annotation, Fault>),
    Table(Table),
}

/// UTKFace's.
impl Default for Layout {
    fn default() -> Self {
        Self { kind: Kind::Names(utkface::annotation), tables: BTreeSet::new() }
    }
}

impl Layout {
    /// Reads the label tables of a source, if the format has such. `named` are tables to be read
    /// instead of those that the source would be searched for: paths inside the source, or files
    /// of this machine.
    ///
    /// # Errors
    /// A [`LayoutError`].
    pub fn open(format: &Format, source: &Source, named: &[PathBuf]) -> Result<Self, LayoutError> {
        let tables: TableLayout = match format {
            Format::UtkFace => return Self::names(utkface::annotation, named),
            Format::AgeDb => return Self::names(agedb::annotation, named),
            Format::FgNet => return Self::names(fgnet::annotation, named),
            Format::FairFace => fairface::tables(),
            Format::AppaReal => appa_real::tables(),
            Format::Lagenda => lagenda::tables(),
            Format::ImdbClean => imdb_clean::tables(),
            Format::Table(columns) => TableLayout::of_columns(Columns::clone(columns))?,
        };
        let (table, tables) = table::read(&tables, source, named)?;
        Ok(Self { kind: Kind::Table(table), tables })
    }

    fn names(
        annotation: fn(&str) -> Result<Annotation, Fault>,
        named: &[PathBuf],
    ) -> Result<Self, LayoutError> {
        match named {
            [] => Ok(Self { kind: Kind::Names(annotation), ..Self::default() }),
            [table, ..] => Err(LayoutError::NoTables { table: table.clone() }),
        }
    }

    /// Whether a file of the source is a label table.
    pub fn is_table(&self, path: &str) -> bool {
        self.tables.contains(path)
    }

    /// The faces of a file, or why it has none; never empty.
    pub fn read(&self, path: &str) -> Vec<Reading> {
        match &self.kind {
            Kind::Names(annotation) => vec![Reading { annotation: annotation(path), claim: None }],
            Kind::Table(table) => table.readings(path),
        }
    }

    /// The lines of tables that none of these files claims: path and label.
    pub fn unclaimed(
        &self,
        claims: impl IntoIterator<Item = Claim>,
    ) -> Vec<(String, Option<Label>)> {
        match &self.kind {
            Kind::Names(_) => Vec::new(),
            Kind::Table(table) => table.unclaimed(claims),
        }
    }
}

/// The part of a path after its last slash.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A file's name without its extension, if that is an image's.
fn image_stem(path: &str) -> Result<&str, Fault> {
    let (stem, extension) = file_name(path).rsplit_once('.').ok_or(Fault::NotAnImage)?;
    let known = ["jpg", "jpeg", "png", "webp"].iter().any(|e| extension.eq_ignore_ascii_case(e));
    if known { Ok(stem) } else { Err(Fault::NotAnImage) }
}
