//! Bodies: how much is read, how long it may take, and what is JSON.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use events::{Object, Value};
use handles::Handles;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::shares::BodyShare;
use crate::error::ApiError;
use crate::limits::{TRANSACTION_EDUS_MAX, TRANSACTION_PDUS_MAX};
use crate::questions::{Edu, TransactionBody};

/// Between two pieces of a body.
const PIECE_TIMEOUT: Duration = Duration::from_secs(30);
/// For a whole body. The largest needs 90 kB a second.
const WHOLE_TIMEOUT: Duration = Duration::from_secs(150);

/// What an endpoint wants of the body.
pub(super) trait FromBody: Sized + Send + 'static {
    /// Whether the body is read at all.
    const WANTED: Wanted;
    /// Reads it. `json` is one JSON value of any type.
    fn from_json(json: &str) -> Result<Self, ApiError>;
}

/// Whether an endpoint has a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// `GET`
    Nothing,
    /// `PUT` and `POST`
    Json,
}

/// The body of a `GET`: not looked at, and not signed.
#[derive(Debug)]
pub(super) struct NoBody;

impl FromBody for NoBody {
    const WANTED: Wanted = Wanted::Nothing;
    fn from_json(_: &str) -> Result<Self, ApiError> {
        Ok(Self)
    }
}

impl FromBody for Object {
    const WANTED: Wanted = Wanted::Json;
    fn from_json(json: &str) -> Result<Self, ApiError> {
        match serde_json::from_str(json).map_err(|error| not_json(&error))? {
            Value::Object(object) => Ok(object),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Err(no_object()),
        }
    }
}

impl FromBody for TransactionBody {
    const WANTED: Wanted = Wanted::Json;
    fn from_json(json: &str) -> Result<Self, ApiError> {
        if !json.starts_with('{') {
            return Err(no_object());
        }
        let fields: Fields<'_> =
            serde_json::from_str(json).map_err(|error| ApiError::bad_json(format!("the transaction: {error}")))?;
        let pdus = list("pdus", fields.pdus.ok_or_else(|| ApiError::bad_json("the transaction has no `pdus`"))?)?;
        let edus = fields.edus.map_or_else(|| Ok(Vec::new()), |edus| list("edus", edus))?;
        if pdus.len() > TRANSACTION_PDUS_MAX || edus.len() > TRANSACTION_EDUS_MAX {
            return Err(ApiError::invalid_param(format!(
                "a transaction has at most {TRANSACTION_PDUS_MAX} PDUs and {TRANSACTION_EDUS_MAX} EDUs, this one has {} and {}",
                pdus.len(),
                edus.len(),
            )));
        }
        Ok(Self {
            pdus: pdus.into_iter().map(ToOwned::to_owned).collect(),
            edus: edus.into_iter().filter_map(edu).collect(),
        })
    }
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    pdus: Option<&'a RawValue>,
    #[serde(borrow)]
    edus: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct EduFields {
    edu_type: String,
    content: Object,
}

fn list<'a>(name: &str, json: &'a RawValue) -> Result<Vec<&'a RawValue>, ApiError> {
    serde_json::from_str(json.get()).map_err(|_| ApiError::bad_json(format!("`{name}` must be a list")))
}

fn edu(json: &RawValue) -> Option<Edu> {
    let EduFields { edu_type, content } = serde_json::from_str(json.get()).ok()?;
    Some(Edu { edu_type, content: Value::Object(content) })
}

/// Says that `bytes` are one JSON value, and returns it as text without the space around it.
pub(super) fn check_json(bytes: &[u8]) -> Result<&str, ApiError> {
    serde_json::from_slice::<&RawValue>(bytes).map(RawValue::get).map_err(|error| not_json(&error))
}

/// Reads at most `bytes_max` bytes, as long as there is memory for them. Of a longer body no more is read than shows that it is longer.
pub(super) async fn read(
    headers: &HeaderMap,
    mut body: Body,
    bytes_max: usize,
    share: &mut BodyShare,
    handles: &Handles,
) -> Result<Bytes, ApiError> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > bytes_max as u64) {
        return Err(ApiError::too_large(bytes_max));
    }
    let deadline = handles.clock.monotonic() + WHOLE_TIMEOUT;
    let mut read = BytesMut::new();
    loop {
        let patience = deadline.saturating_sub(handles.clock.monotonic()).min(PIECE_TIMEOUT);
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            () = handles.clock.sleep(patience) => {
                return Err(ApiError::new(408, "M_UNKNOWN", "the body of the request did not arrive in time"));
            }
        };
        let Some(frame) = frame else { return Ok(read.freeze()) };
        let frame = frame.map_err(|error| ApiError::new(400, "M_UNKNOWN", format!("the body broke off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if read.len() + data.len() > bytes_max {
            return Err(ApiError::too_large(bytes_max));
        }
        share.grow(data.len())?;
        read.extend_from_slice(&data);
    }
}

fn not_json(error: &serde_json::Error) -> ApiError {
    ApiError::new(400, "M_NOT_JSON", format!("the body is not JSON: {error}"))
}

fn no_object() -> ApiError {
    ApiError::bad_json("the body must be a JSON object")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transaction(json: &str) -> Result<TransactionBody, ApiError> {
        TransactionBody::from_json(check_json(json.as_bytes())?)
    }

    #[test]
    fn pdus_may_be_anything_and_edus_may_not() {
        let body = transaction(
            r#" {"origin":"a.test","pdus":[1,{"a":1e999},"x"],"edus":[{"edu_type":"m.typing","content":{}},
                {"edu_type":1,"content":{}},{"edu_type":"m.x","content":[]},7]} "#,
        );
        let body = body.unwrap();
        assert_eq!(body.pdus.iter().map(|pdu| pdu.get()).collect::<Vec<_>>(), ["1", r#"{"a":1e999}"#, "\"x\""]);
        assert_eq!(body.edus.len(), 1);
    }

    #[test]
    fn too_many_are_refused_as_a_whole() {
        let make = |pdus: usize, edus: usize| {
            let (pdus, edus) = (vec!["{}"; pdus].join(","), vec!["{}"; edus].join(","));
            transaction(&format!(r#"{{"pdus":[{pdus}],"edus":[{edus}]}}"#))
        };
        assert!(make(50, 100).is_ok());
        assert_eq!(make(51, 0).unwrap_err().status, 400);
        assert_eq!(make(0, 101).unwrap_err().status, 400);
    }

    #[test]
    fn errors_name_what_is_wrong() {
        for (json, errcode, named) in [
            ("", "M_NOT_JSON", "not JSON"),
            ("{", "M_NOT_JSON", "not JSON"),
            ("{} {}", "M_NOT_JSON", "not JSON"),
            ("[[],[]]", "M_BAD_JSON", "object"),
            ("{}", "M_BAD_JSON", "pdus"),
            (r#"{"pdus":{}}"#, "M_BAD_JSON", "pdus"),
            (r#"{"pdus":[],"edus":1}"#, "M_BAD_JSON", "edus"),
            (r#"{"pdus":[],"pdus":[]}"#, "M_BAD_JSON", "pdus"),
        ] {
            let error = transaction(json).unwrap_err();
            assert_eq!((error.status, error.errcode), (400, errcode), "{json}");
            assert!(error.message.contains(named), "{json}: {error}");
        }
        assert_eq!(check_json(b"{\"a\":\"\xff\"}").unwrap_err().errcode, "M_NOT_JSON");
    }

    #[test]
    fn nesting_does_not_overflow_the_stack() {
        let deep = format!(r#"{{"pdus":[{}{}]}}"#, "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(transaction(&deep).unwrap().pdus.len(), 1);
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(Object::from_json(check_json(deep.as_bytes()).unwrap()).unwrap_err().errcode, "M_NOT_JSON");
    }
}
