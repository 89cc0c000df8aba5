//! Files as answers: the headers that keep a browser from taking them for a page of ours, and parts of files.

use std::ops::Range;

use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, HeaderName, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use media::OpenFile;

/// What the specification recommends. C-S API, "Content repository".
const POLICY: &str = "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; style-src 'unsafe-inline'; \
                      object-src 'self';";
/// An id always leads to the same content. Nobody but the user may keep it: it was had with a token.
const CACHING: &str = "private, max-age=86400, immutable";
/// Web clients of other origins may use it.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Which part of a file is asked for. RFC 9110, section 14.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    Part(Range<u64>),
    Nothing,
}

/// Answers with a file, or with the part that `asked` wants.
pub(super) fn with_file(file: OpenFile, asked: &HeaderMap) -> Response {
    let bytes = file.bytes;
    let header = |text: &str| HeaderValue::from_str(text).ok();
    let fixed = [
        (CONTENT_TYPE, header(&file.content_type)),
        (CONTENT_DISPOSITION, header(&file.disposition())),
        (CONTENT_SECURITY_POLICY, Some(HeaderValue::from_static(POLICY))),
        (RESOURCE_POLICY, Some(HeaderValue::from_static("cross-origin"))),
        (X_CONTENT_TYPE_OPTIONS, Some(HeaderValue::from_static("nosniff"))),
        (CACHE_CONTROL, Some(HeaderValue::from_static(CACHING))),
        (ACCEPT_RANGES, Some(HeaderValue::from_static("bytes"))),
    ];
    let range = asked.get(RANGE).and_then(|range| range.to_str().ok());
    let (status, part) = match range.map_or(Wanted::Whole, |range| wanted(range, bytes)) {
        Wanted::Whole => (StatusCode::OK, 0..bytes),
        Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Wanted::Nothing => (StatusCode::RANGE_NOT_SATISFIABLE, 0..0),
    };
    let said = match status {
        StatusCode::PARTIAL_CONTENT => header(&format!("bytes {}-{}/{bytes}", part.start, part.end - 1)),
        StatusCode::RANGE_NOT_SATISFIABLE => header(&format!("bytes */{bytes}")),
        _ => None,
    };
    let length = HeaderValue::from(part.end - part.start);
    let mut response = Response::new(Body::from_stream(file.content(part)));
    *response.status_mut() = status;
    let headers = fixed.into_iter().chain([(CONTENT_RANGE, said), (CONTENT_LENGTH, Some(length))]);
    response.headers_mut().extend(headers.filter_map(|(name, value)| Some((name, value?))));
    response
}

/// Reads a `Range` header. One that is not understood, or asks for several parts, gets the whole.
fn wanted(range: &str, bytes: u64) -> Wanted {
    let Some((first, last)) = range.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Wanted::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(bytes),
        (Ok(first), Err(_)) if last.is_empty() => first..bytes,
        (Err(_), Ok(length)) if first.is_empty() => bytes.saturating_sub(length)..bytes,
        (Ok(_) | Err(_), Ok(_) | Err(_)) => return Wanted::Whole,
    };
    if range.is_empty() { Wanted::Nothing } else { Wanted::Part(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_others_ignored() {
        for (range, expected) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=2-5", Wanted::Part(2..6)),
            ("bytes=2-", Wanted::Part(2..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-30", Wanted::Part(0..10)),
            ("bytes=5-18446744073709551615", Wanted::Part(5..10)),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=5-2", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("items=0-1", Wanted::Whole),
            ("bytes=99999999999999999999-", Wanted::Whole),
        ] {
            assert_eq!(wanted(range, 10), expected, "{range}");
        }
        assert_eq!(wanted("bytes=0-", 0), Wanted::Nothing);
    }
}
