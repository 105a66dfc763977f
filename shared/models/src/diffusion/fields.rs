//! The fields of a `config.json`: what is read has a default, what is not supported is refused.

use serde_json::{Map, Value};

use super::DiffusionError;

/// The largest number of channels, layers, timesteps or anything else that a network is made of: far
/// beyond any that can be used, it bounds what an untrusted file can make us hold or count.
pub(crate) const MOST: i64 = 1 << 20;
/// The most numbers of a list that says something of each resolution; every other one halves the image.
const MOST_STAGES: usize = 20;

/// A configuration file's fields, with the name by which errors call the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    config: &'static str,
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(config: &'static str, map: &'a Map<String, Value>) -> Self {
        Self { config, map }
    }

    /// The field's value; none when it is absent or null, for which diffusers takes the default.
    fn value(&self, field: &str) -> Option<&'a Value> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    pub(crate) fn refuse(&self, field: &str, supported: &str) -> DiffusionError {
        DiffusionError::Unsupported {
            config: self.config,
            field: field.to_owned(),
            value: self.map.get(field).unwrap_or(&Value::Null).to_string(),
            supported: supported.to_owned(),
        }
    }

    fn read<T>(
        &self,
        field: &str,
        kind: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, DiffusionError> {
        let Some(value) = self.value(field) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| self.refuse(field, &format!("{kind} is")))
    }

    pub(crate) fn flag(&self, field: &str, default: bool) -> Result<bool, DiffusionError> {
        Ok(self.read(field, "true or false", Value::as_bool)?.unwrap_or(default))
    }

    pub(crate) fn number(&self, field: &str, default: f64) -> Result<f64, DiffusionError> {
        Ok(self.optional_number(field)?.unwrap_or(default))
    }

    pub(crate) fn optional_number(&self, field: &str) -> Result<Option<f64>, DiffusionError> {
        self.read(field, "a number", Value::as_f64)
    }

    pub(crate) fn numbers(&self, field: &str) -> Result<Option<Vec<f64>>, DiffusionError> {
        self.read(field, "a list of numbers", |value| {
            value.as_array()?.iter().map(Value::as_f64).collect()
        })
    }

    /// A whole number from 0 to [`MOST`].
    pub(crate) fn count(&self, field: &str, default: i64) -> Result<i64, DiffusionError> {
        let counted = |value: &Value| value.as_i64().filter(|count| (0..=MOST).contains(count));
        let kind = format!("a whole number from 0 to {MOST}");
        Ok(self.read(field, &kind, counted)?.unwrap_or(default))
    }

    /// A whole number from 1 to [`MOST`].
    pub(crate) fn size(&self, field: &str, default: i64) -> Result<i64, DiffusionError> {
        let size = self.count(field, default)?;
        if size == 0 {
            Err(self.refuse(field, &format!("a whole number from 1 to {MOST} is")))
        } else {
            Ok(size)
        }
    }

    /// A list of sizes; a single one stands for `length` equal ones.
    pub(crate) fn sizes(
        &self,
        field: &str,
        default: &[i64],
        length: Option<usize>,
    ) -> Result<Vec<i64>, DiffusionError> {
        let one = |value: &Value| value.as_i64().filter(|size| (1..=MOST).contains(size));
        let many = |value: &'a Value| match (value.as_array(), length) {
            (Some(list), _) => list.iter().map(one).collect::<Option<Vec<_>>>(),
            (None, Some(length)) => Some(vec![one(value)?; length]),
            (None, None) => None,
        };
        let sizes = self
            .read(field, &format!("a list of whole numbers from 1 to {MOST}"), many)?
            .unwrap_or_else(|| default.to_vec());
        let fits = length.is_none_or(|length| sizes.len() == length);
        if fits && (1..=MOST_STAGES).contains(&sizes.len()) {
            return Ok(sizes);
        }
        Err(self.refuse(field, &format!("one number for each of at most {MOST_STAGES} blocks is")))
    }

    pub(crate) fn text(&self, field: &str) -> Result<Option<&'a str>, DiffusionError> {
        self.read(field, "text", Value::as_str)
    }

    pub(crate) fn is_null(&self, field: &str) -> bool {
        self.map.get(field).is_some_and(Value::is_null)
    }

    /// One of several words; the first is the default.
    pub(crate) fn choice<T: Copy>(
        &self,
        field: &str,
        choices: &[(&str, T)],
    ) -> Result<T, DiffusionError> {
        let Some(value) = self.value(field) else { return Ok(choices[0].1) };
        self.chosen(field, value, choices)
    }

    /// A list of such words.
    pub(crate) fn choices<T: Copy>(
        &self,
        field: &str,
        choices: &[(&str, T)],
        default: &[T],
    ) -> Result<Vec<T>, DiffusionError> {
        let Some(value) = self.value(field) else { return Ok(default.to_vec()) };
        let Some(list) = value.as_array() else { return Err(self.refuse(field, "a list is")) };
        list.iter().map(|value| self.chosen(field, value, choices)).collect()
    }

    fn chosen<T: Copy>(
        &self,
        field: &str,
        value: &Value,
        choices: &[(&str, T)],
    ) -> Result<T, DiffusionError> {
        let found = choices.iter().find(|(name, _)| value.as_str() == Some(name));
        found.map(|(_, choice)| *choice).ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            self.refuse(field, &format!("supported: {}", names.join(", ")))
        })
    }

    /// Refuses fields that have another value than the one at which they do nothing.
    pub(crate) fn neutral(&self, fields: &[(&str, Value)]) -> Result<(), DiffusionError> {
        for (field, neutral) in fields {
            let Some(value) = self.value(field) else { continue };
            let same_number = value.as_f64().is_some() && value.as_f64() == neutral.as_f64();
            if value != neutral && !same_number {
                return Err(self.refuse(field, &format!("only {neutral} is")));
            }
        }
        Ok(())
    }
}

/// JSON as Python writes it: `-Infinity`, `Infinity` and `NaN`, which JSON does not have, are null.
pub(crate) fn parse_json(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text).or_else(|error| {
        let mut plain = String::with_capacity(text.len());
        for (index, part) in text.split('"').enumerate() {
            if index > 0 {
                plain.push('"');
            }
            // Outside of quotes, unless a text holds an escaped one: then the first error stands.
            if index % 2 == 0 {
                let nulled = part.replace("-Infinity", "null").replace("Infinity", "null");
                plain.push_str(&nulled.replace("NaN", "null"));
            } else {
                plain.push_str(part);
            }
        }
        serde_json::from_str(&plain).map_err(|_| error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(value: &Value) -> Fields<'_> {
        Fields::new("the test", value.as_object().unwrap())
    }

    #[test]
    fn absent_and_null_fields_have_their_default() {
        let value = json!({"a": null, "b": 3});
        let fields = fields(&value);
        assert_eq!(fields.size("a", 7).unwrap(), 7);
        assert_eq!(fields.size("none", 7).unwrap(), 7);
        assert_eq!(fields.sizes("b", &[1], Some(2)).unwrap(), [3, 3]);
    }

    #[test]
    fn what_is_not_supported_is_refused_by_field_and_value() {
        let value = json!({"act_fn": "mish", "dropout": 0.5, "size": 0, "list": [1, 2]});
        let fields = fields(&value);
        let refused = [
            fields.choice("act_fn", &[("silu", ())]).unwrap_err(),
            fields.neutral(&[("dropout", json!(0))]).unwrap_err(),
            fields.size("size", 1).unwrap_err(),
            fields.sizes("list", &[1], Some(3)).unwrap_err(),
            fields.flag("dropout", false).unwrap_err(),
        ];
        let texts = refused.map(|error| error.to_string());
        assert!(texts[0].contains("act_fn = \"mish\"") && texts[0].contains("silu"), "{texts:?}");
        assert!(texts[1].contains("dropout = 0.5"), "{texts:?}");
        assert!(texts.iter().all(|text| text.starts_with("the test has ")), "{texts:?}");
    }

    #[test]
    fn a_neutral_number_may_be_whole_or_not() {
        let value = json!({"scale": 1.0});
        fields(&value).neutral(&[("scale", json!(1))]).unwrap();
    }

    #[test]
    fn pythons_infinities_are_null_and_its_texts_are_kept() {
        let value = parse_json(r#"{"a": -Infinity, "b": [NaN, 1], "c": "NaN"}"#).unwrap();
        assert_eq!(value, json!({"a": null, "b": [null, 1], "c": "NaN"}));
        assert!(parse_json("{").is_err());
    }
}
