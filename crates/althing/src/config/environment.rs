//! `ALTHING_CLIENT__LISTEN` overrides `client.listen`.

use std::ffi::OsStr;

use toml::{Table, Value};

use super::ConfigError;
use super::nearest::nearest;
use super::setting::{Kind, SETTINGS, Setting};

const PREFIX: &str = "ALTHING_";
/// A variable without a table in its name that differs in more letters than this from every key is not meant for us.
const TYPING_ERRORS_MAX: usize = 2;

/// What an environment variable does.
pub(super) enum Variable {
    /// It does not begin with our prefix.
    NotOurs,
    /// It does, but resembles no key. Other programs make such variables: Kubernetes sets ALTHING_PORT for a service called
    /// althing.
    Strange(String),
    /// It overrides a key.
    Sets(&'static Setting, Value),
}

/// Reads the variable `name` with the value `text`.
pub(super) fn read(name: &OsStr, text: &OsStr) -> Result<Variable, ConfigError> {
    let name = name.to_string_lossy();
    let Some(rest) = name.strip_prefix(PREFIX) else { return Ok(Variable::NotOurs) };
    let path = rest.to_lowercase().replacen("__", ".", 1);
    let Some(setting) = Setting::find(&path) else { return unknown(&name, &path) };
    let wrong = |expected: &str| ConfigError::Wrong {
        origin: format!("environment variable {name}"),
        key: path.clone(),
        found: format!("{:?}", text.to_string_lossy()),
        expected: expected.to_owned(),
    };
    let text = text.to_str().ok_or_else(|| wrong("a text in UTF-8"))?;
    let value = match setting.kind {
        Kind::Text => Value::String(text.to_owned()),
        Kind::Flag => Value::Boolean(text.trim().parse().map_err(|_| wrong("true or false"))?),
        Kind::List => list(text).ok_or_else(|| wrong("texts between commas, or a list as in TOML"))?,
    };
    Ok(Variable::Sets(setting, value))
}

fn list(text: &str) -> Option<Value> {
    if !text.trim_start().starts_with('[') {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        return Some(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()));
    }
    let list = format!("list = {text}").parse::<Table>().ok()?.remove("list")?;
    list.as_array().is_some_and(|items| items.iter().all(Value::is_str)).then_some(list)
}

fn unknown(name: &str, path: &str) -> Result<Variable, ConfigError> {
    let Some((nearest, difference)) = nearest(path, SETTINGS.iter().map(|setting| setting.path)) else {
        return Ok(Variable::NotOurs);
    };
    let nearest = format!("{PREFIX}{}", nearest.to_uppercase().replace('.', "__"));
    if path.contains('.') || difference <= TYPING_ERRORS_MAX {
        return Err(ConfigError::Unknown { origin: "the environment".to_owned(), key: name.to_owned(), nearest });
    }
    Ok(Variable::Strange(format!("the environment variable {name} overrides no key of the configuration")))
}
