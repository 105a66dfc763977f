//! Which column of a table holds what.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Names of columns; an empty one is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Columns {
    /// The image's path, or the end of it from some slash on. Required.
    pub path: String,
    /// The age in years, or a range such as "20-29". This or the next two are required.
    pub age: String,
    /// The lowest possible age.
    pub age_lower: String,
    /// The highest possible age.
    pub age_upper: String,
    /// m, male, f or female.
    pub gender: String,
    /// The race.
    pub race: String,
    /// Who or what the image belongs to: rows with the same text stay in one split.
    pub group: String,
    /// First column of pixels of the face. All four sides or none.
    pub left: String,
    /// First row of pixels of the face.
    pub top: String,
    /// The column of pixels where the face ends.
    pub right: String,
    /// The row of pixels where the face ends.
    pub bottom: String,
}

/// The columns say too little.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the column {missing} is not named: {advice}")]
pub struct ColumnsError {
    /// The field of [`Columns`].
    pub missing: &'static str,
    advice: &'static str,
}

impl Columns {
    /// Checks that what is required is there.
    ///
    /// # Errors
    /// A [`ColumnsError`].
    pub fn check(&self) -> Result<(), ColumnsError> {
        let missing = |missing, advice| Err(ColumnsError { missing, advice });
        if self.path.is_empty() {
            return missing("path", "say which column holds the image's path");
        }
        let either = "name the column of ages, or both of the lowest and the highest age";
        if self.age.is_empty() {
            for (field, name) in [("age", &self.age_lower), ("age_upper", &self.age_upper)] {
                if name.is_empty() {
                    return missing(field, either);
                }
            }
        }
        let sides = self.sides();
        let some = sides.iter().any(|(_, column)| !column.is_empty());
        match sides.iter().find(|(_, column)| column.is_empty()) {
            Some((side, _)) if some => missing(side, "a face box has left, top, right and bottom"),
            _ => Ok(()),
        }
    }

    /// The sides of the face box by their fields' names.
    fn sides(&self) -> [(&'static str, &str); 4] {
        [("left", &self.left), ("top", &self.top), ("right", &self.right), ("bottom", &self.bottom)]
    }

    /// Whether photos are to be cut to their faces.
    pub(super) fn has_face_box(&self) -> bool {
        self.sides().iter().all(|(_, column)| !column.is_empty())
    }

    /// All columns that are named.
    pub(super) fn named(&self) -> impl Iterator<Item = &str> {
        let labels = [&self.path, &self.age, &self.age_lower, &self.age_upper];
        let more = [&self.gender, &self.race, &self.group];
        let sides = [&self.left, &self.top, &self.right, &self.bottom];
        let all = labels.into_iter().chain(more).chain(sides);
        all.map(String::as_str).filter(|name| !name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_required_is_asked_for() {
        let text = str::to_owned;
        let whole = Columns { path: text("file"), age: text("age"), ..Columns::default() };
        assert_eq!(whole.check(), Ok(()));
        let between = Columns {
            age: String::new(),
            age_lower: text("from"),
            age_upper: text("to"),
            ..whole.clone()
        };
        assert_eq!(between.check(), Ok(()));
        let missing = |columns: Columns| columns.check().unwrap_err().missing;
        assert_eq!(missing(Columns { path: String::new(), ..whole.clone() }), "path");
        assert_eq!(missing(Columns { age: String::new(), ..whole.clone() }), "age");
        assert_eq!(missing(Columns { age_upper: String::new(), ..between }), "age_upper");
        assert_eq!(missing(Columns { left: text("x0"), ..whole }), "top");
    }
}
