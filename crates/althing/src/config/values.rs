//! The values that the file and the environment give, by key, each of the type that its key has.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::ConfigError;
use super::environment;
use super::nearest::nearest;
use super::setting::{Default, Kind, SETTINGS, Setting};

/// Where a value stands, for errors; and the value.
struct Given {
    origin: String,
    value: Value,
}

/// What is set, by key. Each getter takes its key out, so that what nobody reads is noticed.
pub(super) struct Values {
    file: PathBuf,
    given: BTreeMap<&'static str, Given>,
    unread: Vec<&'static str>,
}

impl Values {
    /// Takes the text of `file`, and over it those of `variables` that are ours.
    pub(super) fn collect(
        file: &Path,
        text: &str,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<(Self, Vec<String>), ConfigError> {
        let unread = SETTINGS.iter().map(|setting| setting.path).collect();
        let mut values = Self { file: file.to_owned(), given: BTreeMap::new(), unread };
        let table: Table = text.parse().map_err(|error: toml::de::Error| ConfigError::Syntax {
            path: file.to_owned(),
            reason: error.to_string().trim_end().to_owned(),
        })?;
        for (key, value) in table {
            if let (Value::Table(section), None) = (&value, Setting::find(&key)) {
                values.take_section(&key, section)?;
            } else {
                values.take(key, &value)?;
            }
        }
        let mut warnings = Vec::new();
        for (name, text) in variables {
            match environment::read(&name, &text)? {
                environment::Variable::NotOurs => {}
                environment::Variable::Strange(warning) => warnings.push(warning),
                environment::Variable::Sets(setting, value) => {
                    let origin = format!("environment variable {}", name.to_string_lossy());
                    values.given.insert(setting.path, Given { origin, value });
                }
            }
        }
        Ok((values, warnings))
    }

    fn take_section(&mut self, section: &str, entries: &Table) -> Result<(), ConfigError> {
        if entries.is_empty() && !Setting::is_section(section) {
            return Err(self.unknown(section.to_owned()));
        }
        entries.iter().try_for_each(|(key, value)| self.take(format!("{section}.{key}"), value))
    }

    fn take(&mut self, path: String, value: &Value) -> Result<(), ConfigError> {
        let origin = self.file.display().to_string();
        if Setting::is_section(&path) {
            let expected = format!("a table: write [{path}] on a line of its own");
            return Err(ConfigError::Wrong { origin, found: shown(&path, value), key: path, expected });
        }
        let Some(setting) = Setting::find(&path) else { return Err(self.unknown(path)) };
        let fits = match setting.kind {
            Kind::Text => value.is_str(),
            Kind::Flag => value.is_bool(),
            Kind::List => value.as_array().is_some_and(|items| items.iter().all(Value::is_str)),
        };
        if !fits {
            let expected = match setting.kind {
                Kind::Text => "a text in quotes",
                Kind::Flag => "true or false",
                Kind::List => "a list of texts, like [\"one\", \"two\"]",
            };
            return Err(ConfigError::Wrong {
                origin,
                found: shown(&path, value),
                key: path,
                expected: expected.to_owned(),
            });
        }
        self.given.insert(setting.path, Given { origin, value: value.clone() });
        Ok(())
    }

    fn unknown(&self, key: String) -> ConfigError {
        let sections =
            SETTINGS.iter().map(|setting| setting.section_and_name().0).filter(|section| !section.is_empty());
        let known = SETTINGS.iter().map(|setting| setting.path).chain(sections);
        let nearest = nearest(&key, known).map(|(name, _)| name.to_owned()).unwrap_or_default();
        ConfigError::Unknown { origin: self.file.display().to_string(), key, nearest }
    }

    /// The text at `path`, or its default, or `None` if it has none.
    pub(super) fn optional_text(&mut self, path: &'static str) -> Option<String> {
        match self.value(path) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The text at `path`, which has a default or must be set.
    pub(super) fn text(&mut self, path: &'static str) -> Result<String, ConfigError> {
        self.optional_text(path).ok_or_else(|| {
            let example = Setting::find(path).map_or("", |setting| match setting.default {
                Default::Is(example) | Default::Unset(example) | Default::Required(example) => example,
            });
            ConfigError::Missing { origin: self.file.display().to_string(), key: path, example }
        })
    }

    /// Whether `path` is on.
    pub(super) fn flag(&mut self, path: &'static str) -> bool {
        self.value(path).and_then(|value| value.as_bool()).unwrap_or_default()
    }

    /// The list at `path`.
    pub(super) fn list(&mut self, path: &'static str) -> Vec<String> {
        let items = self.value(path).and_then(|value| value.try_into().ok());
        items.unwrap_or_default()
    }

    /// The text at `path` as `parse` understands it.
    pub(super) fn parsed<T>(
        &mut self,
        path: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        let text = self.text(path)?;
        parse(&text).ok_or_else(|| self.wrong(path, &text, expected))
    }

    /// The list at `path`, each item as `parse` understands it.
    pub(super) fn parsed_list<T>(
        &mut self,
        path: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, ConfigError> {
        let items = self.list(path);
        items.iter().map(|item| parse(item).ok_or_else(|| self.wrong(path, item, expected))).collect()
    }

    /// The path of a file, from the folder of the configuration on.
    pub(super) fn file_path(&self, text: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(text)
    }

    /// The error that `path` has a text that it cannot have.
    pub(super) fn wrong(&self, path: &'static str, found: &str, expected: &str) -> ConfigError {
        let origin = self.given.get(path).map_or_else(|| self.file.display().to_string(), |given| given.origin.clone());
        ConfigError::Wrong { origin, key: path.to_owned(), found: format!("{found:?}"), expected: expected.to_owned() }
    }

    /// The keys that no getter was called for. A key in the table that nobody reads would be ignored in silence.
    pub(super) fn unread(&self) -> &[&'static str] {
        &self.unread
    }

    fn value(&mut self, path: &'static str) -> Option<Value> {
        self.unread.retain(|unread| *unread != path);
        if let Some(given) = self.given.get(path) {
            return Some(given.value.clone());
        }
        match Setting::find(path)?.default {
            Default::Is(default) => default_value(default),
            Default::Unset(_) | Default::Required(_) => None,
        }
    }
}

fn default_value(toml: &str) -> Option<Value> {
    format!("default = {toml}").parse::<Table>().ok()?.remove("default")
}

fn shown(path: &str, value: &Value) -> String {
    match value {
        Value::Table(_) => "a table".to_owned(),
        Value::Array(_) | Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_)
            if Setting::is_secret(path) =>
        {
            format!("a secret of type {}", value.type_str())
        }
        Value::Array(_) => format!("the list {value}"),
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {
            value.to_string()
        }
    }
}
