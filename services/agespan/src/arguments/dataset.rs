//! What can be typed about data sets.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Split;

#[derive(Subcommand)]
pub(crate) enum Dataset {
    /// Import a folder, zip or tar of faces.
    Import(Import),
    /// List the data sets.
    List,
    /// One data set, with its splits.
    Show { name: String },
    /// Histograms of decades, genders, races and splits, and why files were quarantined.
    Stats { name: String },
    /// Groups of samples that belong together: near duplicates, and photos of one person.
    Clusters { name: String },
    /// A page with charts and a sheet of faces. It shows people: keep it to yourself.
    Report {
        /// The data set.
        name: String,
        /// Folder for dataset.html.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Faces of each decade on the sheet; 0 for none.
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(0..=64))]
        faces: u32,
    },
    /// Write a split in a form that other programs read, with its images.
    Export {
        /// The data set.
        name: String,
        /// Which part of it.
        #[arg(long, value_enum)]
        split: Split,
        /// What to write.
        #[arg(long, value_enum)]
        format: ExportFormat,
        /// Folder for the files.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

#[derive(Args)]
pub(crate) struct Import {
    /// The folder or archive, as the server sees it.
    pub(crate) source: PathBuf,
    /// What to call the data set [default: the format's name].
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// How the source is laid out; the comments of `Format` in proto say what each looks like.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ImportFormat,
    /// A table of labels: a file, or a path inside the source. Repeat it for several. Without it
    /// the format's own tables are looked for in the source.
    #[arg(long, value_name = "FILE", required_if_eq("format", "table"))]
    pub(crate) csv: Vec<PathBuf>,
    /// With --format table: which columns hold what, as in path=file,age=years,gender=sex. Also
    /// age_lower, age_upper, race, group (a person's rows), and left, top, right, bottom of a face.
    #[arg(
        long,
        value_name = "FIELD=COLUMN",
        value_delimiter = ',',
        required_if_eq("format", "table")
    )]
    pub(crate) columns: Vec<String>,
    /// Seed of the split.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Shares of the split's parts, as in 0.75,0.03,0.11,0.11, the default.
    #[arg(long, value_name = "TRAIN,VALIDATION,CALIBRATION,TEST", value_delimiter = ',')]
    pub(crate) fractions: Vec<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportFormat {
    /// age_gender_race_timestamp.jpg
    #[default]
    Utkface,
    /// train/ and val/ with fairface_label_*.csv; ages are ranges.
    Fairface,
    /// train/, valid/ and test/ with gt_avg_*.csv.
    AppaReal,
    /// number_name_age_gender.jpg
    Agedb,
    /// 001A43a.JPG
    Fgnet,
    /// Photos, and a CSV with face boxes.
    Lagenda,
    /// Photos, and imdb_*_new_1024.csv with face boxes.
    ImdbClean,
    /// Any table: see --csv and --columns.
    Table,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// Tar shards of 000000.jpg and 000000.json.
    Webdataset,
    /// Tables with the images inside, as Hugging Face's datasets reads and writes them.
    Parquet,
}
