//! Makes other input of examples: some bytes are changed, or some of the JSON.

use std::ops::Range;

use handles::Random;
use serde_json::Value;

/// No input is longer.
pub const BYTES_MAX: usize = 300_000;
/// Changes of one input.
const CHANGES_MAX: u64 = 4;
/// Bytes that are changed together.
const PIECE_MAX: u64 = 24;

/// JSON that is odd, as text: not all of it can be held by a parsed value.
const ODD: [&str; 34] = [
    "null",
    "true",
    "0",
    "-0",
    "-1",
    "1.5",
    "1e400",
    "1E-400",
    "9007199254740991",
    "9007199254740992",
    "-9223372036854775808",
    "18446744073709551616",
    "0.10000000000000000055511151231257827",
    "[]",
    "{}",
    "[[]]",
    r#""""#,
    r#""\u0000""#,
    r#""\ud800""#,
    r#""\uD83D\uDE00""#,
    r#""@alice:victim.test""#,
    r#""@:victim.test""#,
    r#""@A\u0001:[::1]:99999""#,
    r##""#a:victim.test""##,
    r#""!r:victim.test""#,
    r#""$e""#,
    r#""victim.test:0""#,
    r#""ed25519:1""#,
    r#""m.room.create""#,
    r#""join""#,
    r#""12""#,
    r#""/../%2F%00?#""#,
    r#"{"signed":{"token":1,"mxid":[],"signatures":null}}"#,
    r#"{"$e":{"m.read":{"@a:b":{"ts":-1}}}}"#,
];
/// Stands for a piece of text that is put in when all else is written.
const HOLE: &str = "\u{e000}hole\u{e000}";

/// Makes an input of one of `examples`.
pub fn mutated(random: &dyn Random, examples: &[Vec<u8>]) -> Vec<u8> {
    let mut input = pick(random, examples).cloned().unwrap_or_default();
    for _ in 0..=random.below(CHANGES_MAX) {
        let (head, json) = split(&input);
        let other = pick(random, examples).map(|example| split(example).1);
        let changed = match serde_json::from_slice::<Value>(json) {
            Ok(value) if random.below(4) > 0 => {
                let other = other.and_then(|other| serde_json::from_slice(other).ok());
                [head, change_json(random, value, other).as_bytes()].concat()
            }
            _ => change_bytes(random, &input, pick(random, examples).map_or(&[], Vec::as_slice)),
        };
        input = changed;
        input.truncate(BYTES_MAX);
    }
    input
}

/// The first line, if it is no JSON itself, and the rest.
fn split(input: &[u8]) -> (&[u8], &[u8]) {
    let is_json = input.first().is_none_or(|first| b"{[\"".contains(first));
    let line = input.iter().position(|byte| *byte == b'\n').filter(|_| !is_json);
    input.split_at(line.map_or(0, |at| at + 1))
}

fn pick<'a, T>(random: &dyn Random, list: &'a [T]) -> Option<&'a T> {
    list.get(below(random, list.len()))
}

fn below(random: &dyn Random, end: usize) -> usize {
    usize::try_from(random.below(u64::try_from(end).unwrap_or(u64::MAX))).unwrap_or(0)
}

/// Changes one place of a JSON value, and writes it.
fn change_json(random: &dyn Random, mut value: Value, other: Option<Value>) -> String {
    let places = count(&value);
    let at = below(random, places);
    let filling = match random.below(8) {
        0 => nested(random),
        1 => format!("\"{}\"", "long ".repeat(below(random, 20_000))),
        2 | 3 => part_of(random, other).map_or_else(|| "null".to_owned(), |part| part.to_string()),
        _ => pick(random, &ODD).map_or_else(String::new, |odd| (*odd).to_owned()),
    };
    let Some(place) = nth(&mut value, &mut { at }) else { return value.to_string() };
    match (place, random.below(6)) {
        (Value::Object(object), 0) if !object.is_empty() => {
            let key = object.keys().nth(below(random, object.len())).cloned().unwrap_or_default();
            object.remove(&key);
        }
        (Value::Object(object), 1) => {
            // The same key twice: which of the two counts?
            let key = object.keys().nth(below(random, object.len())).cloned().unwrap_or_default();
            let twice = format!("{}:{filling},", Value::String(key));
            object.insert(HOLE.to_owned(), Value::Null);
            return value.to_string().replace(&format!("\"{HOLE}\":null"), &format!("{twice}\"after\":0"));
        }
        (Value::Object(object), 2) => {
            object.insert(random.token(4), Value::String(HOLE.to_owned()));
        }
        (Value::Array(array), 0 | 1) => {
            let times = below(random, 300);
            let element = pick(random, array).cloned().unwrap_or(Value::Null);
            array.extend(std::iter::repeat_n(element, times));
        }
        (Value::Array(array), 2) if !array.is_empty() => {
            array.remove(below(random, array.len()));
        }
        (place, _) => *place = Value::String(HOLE.to_owned()),
    }
    value.to_string().replace(&format!("\"{HOLE}\""), &filling)
}

/// Arrays or objects in each other.
fn nested(random: &dyn Random) -> String {
    let depth = below(random, 300);
    if random.below(2) == 0 {
        format!("{}{}", "[".repeat(depth), "]".repeat(depth))
    } else {
        format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth))
    }
}

fn part_of(random: &dyn Random, value: Option<Value>) -> Option<Value> {
    let mut value = value?;
    let at = below(random, count(&value));
    nth(&mut value, &mut { at }).map(|part| part.take())
}

/// How many values there are in a value, itself included.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(array) => array.iter().map(count).sum::<usize>(),
        Value::Object(object) => object.values().map(count).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn nth<'a>(value: &'a mut Value, at: &mut usize) -> Option<&'a mut Value> {
    if *at == 0 {
        return Some(value);
    }
    *at -= 1;
    match value {
        Value::Array(array) => array.iter_mut().find_map(|value| nth(value, at)),
        Value::Object(object) => object.values_mut().find_map(|value| nth(value, at)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// Changes a piece of an input, whatever it is.
fn change_bytes(random: &dyn Random, input: &[u8], other: &[u8]) -> Vec<u8> {
    let piece = piece(random, input.len());
    let (before, after) = (&input[..piece.start], &input[piece.end..]);
    match random.below(6) {
        0 => [before, after].concat(),
        1 => [before, &input[piece.clone()], &input[piece], after].concat(),
        2 => {
            let mut bytes = vec![0; piece.len().max(1)];
            random.fill(&mut bytes);
            [before, &bytes, after].concat()
        }
        3 => [before, &other[self::piece(random, other.len())], after].concat(),
        4 => before.to_vec(),
        _ => {
            const BYTES: &[u8] = b"\0\"\\{}[],:=; \t\r\n%@#!$.-_/\x7f\x80\xc0\xff0aA";
            let byte = BYTES[below(random, BYTES.len())];
            [before, &[byte], after].concat()
        }
    }
}

fn piece(random: &dyn Random, length: usize) -> Range<usize> {
    let start = below(random, length + 1);
    let end = start + usize::try_from(random.below(PIECE_MAX)).unwrap_or(0);
    start..end.min(length)
}

#[cfg(test)]
mod tests {
    use handles::SeededRandom;

    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_of_the_same() {
        let examples = vec![br#"{"a":[1,2,{"b":"c"}]}"#.to_vec(), b"GET /path\n{\"d\":null}".to_vec()];
        let many = |seed| {
            let random = SeededRandom::new(seed);
            (0..500).map(|_| mutated(&random, &examples)).collect::<Vec<_>>()
        };
        assert_eq!(many(1), many(1));
        assert_ne!(many(1), many(2));
        assert!(many(3).iter().all(|input| input.len() <= BYTES_MAX));
    }

    #[test]
    fn some_of_it_is_still_json_and_some_is_odd() {
        let examples = vec![br#"{"a":[1,2,{"b":"c"}],"d":{"e":[]}}"#.to_vec()];
        let random = SeededRandom::new(7);
        let inputs: Vec<Vec<u8>> = (0..2_000).map(|_| mutated(&random, &examples)).collect();
        let text = |input: &Vec<u8>| String::from_utf8_lossy(input).into_owned();
        assert!(inputs.iter().filter(|input| serde_json::from_slice::<Value>(input).is_ok()).count() > 600);
        for odd in ["1e400", r#""\ud800""#, "[[[[[[[[[[", ",\"after\":0"] {
            assert!(inputs.iter().any(|input| text(input).contains(odd)), "{odd}");
        }
    }
}
