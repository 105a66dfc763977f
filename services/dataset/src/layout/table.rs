//! Labels in CSV tables.
//!
//! A line names its image by a path, or by the end of one from some slash on: archives are
//! unpacked into folders of all names. Which file is meant must be plain all the same: see
//! `clean::settle`.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::{
    Annotation, Claim, Columns, ColumnsError, FaceBox, Fault, LayoutError, Reading, file_name,
    image_stem, value,
};
use crate::label::Label;
use crate::source::{Content, Source};

/// The longest table that is read, in bytes. IMDB-clean's has 18 MB.
const LONGEST: u64 = 256 << 20;

/// What a format's tables are like.
pub(super) struct TableLayout {
    /// The names that are looked for, for messages.
    pub(super) wanted: &'static str,
    /// Whether a file of this name is such a table, where none was named by the caller.
    pub(super) searched: fn(&str) -> bool,
    /// What goes before the paths in the table of this name; `None` if that cannot be told.
    pub(super) folder: fn(&str) -> Option<&'static str>,
    pub(super) columns: Columns,
    /// Endings of an image's path that may be beside the path itself, the preferred one first.
    pub(super) endings: &'static [&'static str],
    /// The subject that a path names.
    pub(super) subject: fn(&str) -> Option<&str>,
}

impl TableLayout {
    /// Tables that the caller describes, and names.
    pub(super) fn of_columns(columns: Columns) -> Result<Self, ColumnsError> {
        columns.check()?;
        Ok(Self {
            wanted: "name it: which it is cannot be told by its name",
            searched: |_| false,
            folder: |_| Some(""),
            columns,
            endings: &[""],
            subject: |_| None,
        })
    }
}

/// The lines of all tables.
#[derive(Debug, Default)]
pub(super) struct Table {
    lines: Vec<Line>,
    claims: HashMap<String, Vec<Claim>>,
}

#[derive(Debug)]
struct Line {
    path: String,
    annotation: Result<Annotation, Fault>,
}

/// Reads the named tables, or else those that the source holds. The paths inside the source that
/// are tables come with them.
pub(super) fn read(
    layout: &TableLayout,
    source: &Source,
    named: &[PathBuf],
) -> Result<(Table, BTreeSet<String>), LayoutError> {
    let is_named = |path: &str| named.iter().any(|table| Path::new(path) == table);
    let wanted = |path: &str| match named {
        [] => (layout.searched)(file_name(path)),
        _ => is_named(path),
    };
    let mut table = Table::default();
    let mut inside = BTreeSet::new();
    for file in source.select(LONGEST, wanted)? {
        let bytes = content(&file.path, file.content)?;
        table.add(layout, &file.path, &bytes)?;
        inside.insert(file.path);
    }
    for path in named.iter().filter(|path| !inside.iter().any(|seen| Path::new(seen) == *path)) {
        let bytes = std::fs::read(path)
            .map_err(|source| LayoutError::NotFound { table: path.clone(), source })?;
        table.add(layout, &path.to_string_lossy(), &bytes)?;
    }
    if named.is_empty() && inside.is_empty() {
        return Err(LayoutError::NoTable { wanted: layout.wanted });
    }
    Ok((table, inside))
}

fn content(table: &str, content: Content) -> Result<Vec<u8>, LayoutError> {
    let why = match content {
        Content::Bytes(bytes) => return Ok(bytes),
        Content::TooLarge => format!("it is longer than {} bytes", LONGEST),
        Content::Unreadable(why) => why,
    };
    Err(LayoutError::Unreadable { table: table.to_owned(), why })
}

impl Table {
    fn add(&mut self, layout: &TableLayout, name: &str, bytes: &[u8]) -> Result<(), LayoutError> {
        let folder = (layout.folder)(file_name(name))
            .ok_or_else(|| LayoutError::Name { table: name.to_owned(), wanted: layout.wanted })?;
        let bad = |source| LayoutError::Csv { table: name.to_owned(), source };
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter(bytes))
            .trim(csv::Trim::All)
            .from_reader(bytes);
        let headers = reader.headers().map_err(bad)?.clone();
        let place = |column: &str| headers.iter().position(|header| header == column);
        if let Some(column) = layout.columns.named().find(|column| place(column).is_none()) {
            let found = headers.iter().collect::<Vec<_>>().join(", ");
            let (table, column) = (name.to_owned(), column.to_owned());
            return Err(LayoutError::Column { table, column, found });
        }
        for record in reader.records() {
            let record = record.map_err(bad)?;
            let field = |column: &str| place(column).and_then(|at| record.get(at)).unwrap_or("");
            let path = format!("{folder}{}", tidy(field(&layout.columns.path)));
            let annotation = annotation(layout, &path, field);
            self.insert(layout.endings, Line { path, annotation });
        }
        Ok(())
    }

    fn insert(&mut self, endings: &[&str], line: Line) {
        let number = self.lines.len();
        for (ending, rank) in endings.iter().zip(0..) {
            let claims = self.claims.entry(format!("{}{ending}", line.path)).or_default();
            claims.push(Claim { line: number, rank });
        }
        self.lines.push(line);
    }

    /// The lines that speak of a file; the longest end of its path counts.
    pub(super) fn readings(&self, path: &str) -> Vec<Reading> {
        let ends = std::iter::once(0).chain(path.match_indices('/').map(|(at, _)| at + 1));
        let claims = ends.filter_map(|from| self.claims.get(&path[from..])).next();
        let Some(claims) = claims else {
            let fault = image_stem(path).err().unwrap_or(Fault::NoLabel);
            return vec![Reading { annotation: Err(fault), claim: None }];
        };
        let reading = |claim: &Claim| Reading {
            annotation: self.lines[claim.line].annotation.clone(),
            claim: Some(*claim),
        };
        claims.iter().map(reading).collect()
    }

    pub(super) fn unclaimed(
        &self,
        claims: impl IntoIterator<Item = Claim>,
    ) -> Vec<(String, Option<Label>)> {
        let mut claimed = vec![false; self.lines.len()];
        claims.into_iter().for_each(|claim| claimed[claim.line] = true);
        let left = self.lines.iter().zip(claimed).filter(|(_, claimed)| !claimed);
        left.map(|(line, _)| {
            let annotation = line.annotation.as_ref().ok();
            (line.path.clone(), annotation.map(|annotation| annotation.label))
        })
        .collect()
    }
}

fn annotation<'a>(
    layout: &TableLayout,
    path: &str,
    field: impl Fn(&str) -> &'a str,
) -> Result<Annotation, Fault> {
    let columns = &layout.columns;
    let age = if columns.age.is_empty() {
        value::age_between(field(&columns.age_lower), field(&columns.age_upper))?
    } else {
        value::age(field(&columns.age))?
    };
    let gender = value::gender(field(&columns.gender))?;
    let race = value::race(field(&columns.race))?;
    let group = Some(field(&columns.group)).filter(|group| !group.is_empty());
    Ok(Annotation {
        label: Label { age, gender, race },
        timestamp: None,
        subject: group.or_else(|| (layout.subject)(path)).map(str::to_owned),
        face: columns.has_face_box().then(|| face(columns, field)).transpose()?,
    })
}

fn face<'a>(columns: &Columns, field: impl Fn(&str) -> &'a str) -> Result<FaceBox, Fault> {
    let sides = [&columns.left, &columns.top, &columns.right, &columns.bottom].map(|c| field(c));
    // One side of −1 may be a detector's; four are none.
    if sides.iter().all(|side| value::is_missing(side)) {
        return Err(Fault::NoFaceBox);
    }
    let [left, top, right, bottom] = sides.map(|side| side.parse().unwrap_or(f64::NAN));
    FaceBox::new(left, top, right, bottom).ok_or_else(|| Fault::FaceBox(sides.join(",")))
}

/// The separator that the first line has most of.
fn delimiter(bytes: &[u8]) -> u8 {
    let header = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |separator| header.iter().filter(|byte| **byte == separator).count();
    // The last of equals: the comma.
    [b'\t', b';', b','].into_iter().max_by_key(|separator| count(*separator)).unwrap_or(b',')
}

/// A path as the source spells it.
fn tidy(path: &str) -> String {
    let path = path.replace('\\', "/");
    path.trim_start_matches("./").trim_start_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        let columns = Columns { path: "file".into(), age: "age".into(), ..Columns::default() };
        let mut table = Table::default();
        table.add(&TableLayout::of_columns(columns).unwrap(), "t.csv", text.as_bytes()).unwrap();
        table
    }

    #[test]
    fn the_longest_end_of_a_path_counts() {
        let table = table("file,age\na.jpg,1\nx/a.jpg,2\n.\\y\\a.jpg,3\n");
        let age = |path: &str| table.readings(path)[0].annotation.clone().unwrap().label.age;
        assert_eq!(age("data/x/a.jpg").to_string(), "2");
        assert_eq!(age("y/a.jpg").to_string(), "3");
        assert_eq!(age("z/a.jpg").to_string(), "1");
        assert_eq!(table.readings("z/xa.jpg")[0].annotation, Err(Fault::NoLabel));
        assert_eq!(table.readings("a.txt")[0].annotation, Err(Fault::NotAnImage));
        let left: Vec<_> = table.unclaimed([Claim { line: 1, rank: 0 }]);
        assert_eq!(
            left.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(),
            ["a.jpg", "y/a.jpg"]
        );
    }

    #[test]
    fn separators_and_marks_of_other_programs_are_read() {
        for text in
            ["\u{feff}file;age\na.jpg;5\n", "file\tage\r\na.jpg\t5\r\n", "age,file\n5,a.jpg"]
        {
            assert!(table(text).readings("a.jpg")[0].annotation.is_ok(), "{text:?}");
        }
    }
}
