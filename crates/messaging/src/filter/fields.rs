//! Which fields of an event a client wants. Appendices, "Dot-separated property paths".

use events::{Object, Value};
use serde::Deserialize;

/// The path to a property.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct FieldPath(Vec<String>);

impl From<String> for FieldPath {
    fn from(text: String) -> Self {
        let mut path = vec![String::new()];
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '.' => path.push(String::new()),
                '\\' => {
                    let escaped = characters.next_if(|next| matches!(next, '.' | '\\')).unwrap_or('\\');
                    last(&mut path).push(escaped);
                }
                other => last(&mut path).push(other),
            }
        }
        Self(path)
    }
}

fn last(path: &mut [String]) -> &mut String {
    path.last_mut().expect("a path begins with one part and only grows")
}

impl FieldPath {
    /// Returns of `event` what the paths name.
    pub(crate) fn select(paths: &[Self], event: &Value) -> Value {
        let mut selected = Value::Object(Object::new());
        for Self(path) in paths {
            if let Some(found) = path.iter().try_fold(event, |value, key| value.get(key)) {
                put(&mut selected, path, found);
            }
        }
        selected
    }
}

/// Puts `value` at `path`. What is there already holds `value`, if a shorter path has named it.
fn put(into: &mut Value, path: &[String], value: &Value) {
    let Some(object) = into.as_object_mut() else { return };
    match path {
        [] => {}
        [key] => {
            object.insert(key.clone(), value.clone());
        }
        [key, rest @ ..] => put(object.entry(key).or_insert_with(|| Value::Object(Object::new())), rest, value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_are_split_at_dots_that_are_not_escaped() {
        let parts = |text: &str| FieldPath::from(text.to_owned()).0;
        assert_eq!(parts("content.body"), ["content", "body"]);
        assert_eq!(parts(r"content.m\.relates_to"), ["content", "m.relates_to"]);
        assert_eq!(parts(r"content.m\\foo"), ["content", r"m\foo"]);
        assert_eq!(parts(r"a\x"), [r"a\x"]);
        assert_eq!(parts(r"a\"), [r"a\"]);
    }

    #[test]
    fn only_what_is_named_is_selected() {
        let event =
            json!({ "type": "t", "sender": "s", "content": { "body": "b", "m.x": { "y": 1, "z": 2 }, "n": 3 } });
        let select = |paths: &[&str]| {
            let paths: Vec<FieldPath> = paths.iter().map(|path| FieldPath::from((*path).to_owned())).collect();
            FieldPath::select(&paths, &event)
        };
        assert_eq!(select(&["type", "content.body"]), json!({ "type": "t", "content": { "body": "b" } }));
        assert_eq!(select(&[r"content.m\.x.y", "nothing.there"]), json!({ "content": { "m.x": { "y": 1 } } }));
        assert_eq!(select(&["content", "content.body"])["content"], event["content"]);
        assert_eq!(select(&["content.body", "content"])["content"], event["content"]);
        assert_eq!(select(&[]), json!({}));
    }
}
