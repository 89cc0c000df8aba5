//! Canonical JSON. Appendices, "Canonical JSON".
//!
//! Numbers are kept as they came (the feature `arbitrary_precision` of `serde_json`): in old rooms there are integers of any size,
//! and events are hashed with all of their digits.

use serde_json::Number;

use crate::limits::INTEGER_MAX;

pub use serde_json::Value;

/// A JSON object.
pub type Object = serde_json::Map<String, Value>;

/// A value that canonical JSON cannot express. From room version 6 on such an event is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the number {0} is not an integer between -(2^53)+1 and (2^53)-1")]
pub struct NotCanonical(String);

/// Writes `object` as canonical JSON: keys in order of their code points, no white space, the shortest escapes.
pub fn canonical(object: &Object) -> String {
    let mut out = String::with_capacity(512);
    write_object(&mut out, object, &[]);
    out
}

/// Like [`canonical`], for any value.
pub fn canonical_value(value: &Value) -> String {
    let mut out = String::with_capacity(512);
    write_value(&mut out, value);
    out
}

/// Like [`canonical`], as if the top-level keys in `without` were not there.
pub fn canonical_without(object: &Object, without: &[&str]) -> String {
    let mut out = String::with_capacity(512);
    write_object(&mut out, object, without);
    out
}

/// Says whether every number in `object` is one that canonical JSON allows.
pub fn check_strict(object: &Object) -> Result<(), NotCanonical> {
    object.values().try_for_each(check_strict_value)
}

/// Says whether every number in `value` is one that canonical JSON allows.
pub fn check_strict_value(value: &Value) -> Result<(), NotCanonical> {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
        Value::Number(number) => match number.as_i64() {
            Some(integer) if (-INTEGER_MAX..=INTEGER_MAX).contains(&integer) => Ok(()),
            Some(_) | None => Err(NotCanonical(number.to_string())),
        },
        Value::Array(items) => items.iter().try_for_each(check_strict_value),
        Value::Object(object) => check_strict(object),
    }
}

/// Says whether Python could write every number in `object`: those that no double can hold, like `1e400`, it cannot. They are in
/// no event of any room version.
pub fn check_finite(object: &Object) -> Result<(), NotCanonical> {
    object.values().try_for_each(check_finite_value)
}

fn check_finite_value(value: &Value) -> Result<(), NotCanonical> {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
        Value::Number(number) if is_integer(number.as_str()) || number.as_f64().is_some() => Ok(()),
        Value::Number(number) => Err(NotCanonical(number.to_string())),
        Value::Array(items) => items.iter().try_for_each(check_finite_value),
        Value::Object(object) => check_finite(object),
    }
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(out, item);
            }
            out.push(']');
        }
        Value::Object(object) => write_object(out, object, &[]),
    }
}

/// Writes a number. Canonical JSON has a form for small integers only; what else there is, is written as Python does it: events of
/// room versions 1 to 5 are hashed like that.
fn write_number(out: &mut String, number: &Number) {
    match number.as_str() {
        "-0" => out.push('0'),
        integer if is_integer(integer) => out.push_str(integer),
        // What no double can hold is in no event, see [`check_finite`].
        fraction => match number.as_f64() {
            Some(double) => write_fraction(out, double),
            None => out.push_str(fraction),
        },
    }
}

fn is_integer(number: &str) -> bool {
    number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

fn write_fraction(out: &mut String, fraction: f64) {
    let shortest = format!("{fraction:e}");
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let text = match exponent {
        -4..16 if fraction.fract() == 0.0 => format!("{fraction:.1}"),
        -4..16 => format!("{fraction}"),
        16.. => format!("{digits}e+{exponent:02}"),
        ..-4 => format!("{digits}e-{:02}", exponent.unsigned_abs()),
    };
    out.push_str(&text);
}

fn write_object(out: &mut String, object: &Object, without: &[&str]) {
    // `serde_json` keeps the keys sorted by bytes, which for UTF-8 is the order of code points. Should another crate switch
    // on its feature `preserve_order`, the test `keys_are_sorted` fails.
    out.push('{');
    let mut first = true;
    for (key, value) in object.iter().filter(|(key, _)| !without.contains(&key.as_str())) {
        if !first {
            out.push(',');
        }
        first = false;
        write_string(out, key);
        out.push(':');
        write_value(out, value);
    }
    out.push('}');
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    // Most text has nothing to escape, which the processor finds out for many bytes at a time if it looks at all of them.
    let is_special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    if !text.bytes().fold(false, |found, byte| found | is_special(byte)) {
        out.push_str(text);
        out.push('"');
        return;
    }
    let mut clean_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let short = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            0x08 => "\\b",
            0x09 => "\\t",
            0x0a => "\\n",
            0x0c => "\\f",
            0x0d => "\\r",
            0x00..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[clean_from..at]);
        clean_from = at + 1;
        if short.is_empty() {
            out.push_str(&format!("\\u{byte:04x}"));
        } else {
            out.push_str(short);
        }
    }
    out.push_str(&text[clean_from..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    /// Appendices, "Canonical JSON", the examples.
    #[test]
    fn keys_are_sorted() {
        for (given, canonical) in [
            ("{}", "{}"),
            (r#"{"one": 1, "two": "Two"}"#, r#"{"one":1,"two":"Two"}"#),
            (r#"{"b": "2", "a": "1"}"#, r#"{"a":"1","b":"2"}"#),
            (
                r#"{"auth":{"success":true,"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[{"medium":"email","address":"john.doe@example.org"},{"medium":"msisdn","address":"123456789"}]}}}"#,
                r#"{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[{"address":"john.doe@example.org","medium":"email"},{"address":"123456789","medium":"msisdn"}]},"success":true}}"#,
            ),
            (r#"{"a": "日本語"}"#, r#"{"a":"日本語"}"#),
            (r#"{"本": 2, "日": 1}"#, r#"{"日":1,"本":2}"#),
            (r#"{"a": "\u65E5"}"#, r#"{"a":"日"}"#),
            (r#"{"a": null}"#, r#"{"a":null}"#),
            (
                r#"{"a": "\u0000\u001f\b\t\n\f\r\"\\\/\u007f"}"#,
                "{\"a\":\"\\u0000\\u001f\\b\\t\\n\\f\\r\\\"\\\\/\u{7f}\"}",
            ),
        ] {
            assert_eq!(canonical_value(&parse(given)), canonical);
        }
    }

    /// Left of each pair what Python reads, right what it writes.
    #[test]
    fn numbers_are_written_as_python_writes_them() {
        for (given, written) in [
            ("1e3", "1000.0"),
            ("1e15", "1000000000000000.0"),
            ("1e16", "1e+16"),
            ("1.5e300", "1.5e+300"),
            ("0.0001", "0.0001"),
            ("1e-5", "1e-05"),
            ("1.25e-7", "1.25e-07"),
            ("-0.5", "-0.5"),
            ("123456789.125", "123456789.125"),
            ("5e-324", "5e-324"),
            ("0.1", "0.1"),
            ("18446744073709551615", "18446744073709551615"),
            ("18446744073709551616", "18446744073709551616"),
            ("-123456789012345678901234567890", "-123456789012345678901234567890"),
            ("-0", "0"),
            ("-0.0", "-0.0"),
            ("1.50", "1.5"),
            ("1E5", "100000.0"),
            ("0.1e1", "1.0"),
            ("1e22", "1e+22"),
            ("123456789012345680000.0", "1.2345678901234568e+20"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ] {
            assert_eq!(canonical_value(&parse(given)), written);
        }
    }

    #[test]
    fn strict_numbers_only() {
        for bad in ["1.5", "1e3", "-0.0", "9007199254740992", "-9007199254740992", "123456789012345678901234567890"] {
            let value = parse(&format!(r#"{{"a":[{{"b":{bad}}}]}}"#));
            assert!(check_strict(value.as_object().unwrap()).is_err(), "{bad}");
        }
        for good in ["0", "-0", "-1", "9007199254740991", "-9007199254740991"] {
            let value = parse(&format!(r#"{{"a":{good}}}"#));
            assert!(check_strict(value.as_object().unwrap()).is_ok(), "{good}");
        }
    }

    #[test]
    fn what_no_double_holds_is_no_number() {
        for (number, is_one) in [("1e308", true), ("1e400", false), ("-1e400", false), ("1e-400", true)] {
            let value = parse(&format!(r#"{{"a":[{{"b":{number}}}]}}"#));
            assert_eq!(check_finite(value.as_object().unwrap()).is_ok(), is_one, "{number}");
        }
        let many_digits = format!(r#"{{"a":{}}}"#, "9".repeat(400));
        assert_eq!(
            check_finite(parse(&many_digits).as_object().unwrap()),
            Ok(()),
            "an integer has as many as it likes"
        );
    }
}
