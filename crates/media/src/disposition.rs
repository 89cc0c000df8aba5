//! `Content-Disposition`: which content a browser may show, and what it is called. RFC 6266, RFC 8187; C-S API, "Serving inline
//! content".

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::limits::FILE_NAME_BYTES_MAX;

/// Content that does no harm in whatever page it is shown.
const INLINE: [&str; 26] = [
    "text/css",
    "text/plain",
    "text/csv",
    "application/json",
    "application/ld+json",
    "image/jpeg",
    "image/gif",
    "image/png",
    "image/apng",
    "image/webp",
    "image/avif",
    "video/mp4",
    "video/webm",
    "video/ogg",
    "video/quicktime",
    "audio/mp4",
    "audio/webm",
    "audio/aac",
    "audio/mpeg",
    "audio/ogg",
    "audio/wave",
    "audio/wav",
    "audio/x-wav",
    "audio/x-pn-wav",
    "audio/flac",
    "audio/x-flac",
];

/// What RFC 8187 calls `attr-char` is not encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Returns the header's value for a file. Its name may be any text.
pub fn disposition(content_type: &str, file_name: Option<&str>) -> String {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let kind = if INLINE.contains(&essence.as_str()) { "inline" } else { "attachment" };
    match file_name {
        None => kind.to_owned(),
        Some(name) if name.bytes().all(|byte| (0x20..0x7f).contains(&byte)) => {
            let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
            format!("{kind}; filename=\"{quoted}\"")
        }
        Some(name) => format!("{kind}; filename*=utf-8''{}", utf8_percent_encode(name, ENCODED)),
    }
}

/// Returns the file's name in a header of another server, if there is one that we keep.
pub(crate) fn file_name(disposition: &str) -> Option<String> {
    let (mut plain, mut extended) = (None, None);
    for (name, value) in parameters(disposition) {
        match name.as_str() {
            "filename" => plain = plain.or(Some(value)),
            "filename*" => extended = extended.or_else(|| decode(&value)),
            _ => {}
        }
    }
    extended.or(plain).filter(|name| !name.is_empty() && name.len() <= FILE_NAME_BYTES_MAX)
}

/// The parameters, quotes taken off, names in lower case. Stops at what is none.
fn parameters(header: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = header.split_once(';').map_or("", |(_, rest)| rest);
    while let Some((name, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        found.push((name.trim().to_ascii_lowercase(), value));
        rest = after.trim_start().strip_prefix(';').unwrap_or_default();
    }
    found
}

/// Reads up to the closing quote, and returns what follows it.
fn unquote(quoted: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            plain => value.push(plain),
        }
    }
    (value, "")
}

/// `utf-8'en'na%C3%AFve.txt`
fn decode(value: &str) -> Option<String> {
    let mut parts = value.splitn(3, '\'');
    let (charset, _language, text) = (parts.next()?, parts.next()?, parts.next()?);
    let is_utf8 = charset.eq_ignore_ascii_case("utf-8");
    is_utf8.then(|| percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_types_are_shown_inline() {
        for (content_type, kind) in [
            ("image/png", "inline"),
            ("TEXT/Plain; charset=utf-8", "inline"),
            ("text/html", "attachment"),
            ("image/svg+xml", "attachment"),
            ("application/octet-stream", "attachment"),
            ("application/javascript", "attachment"),
            ("", "attachment"),
        ] {
            assert_eq!(disposition(content_type, None), kind, "{content_type}");
        }
    }

    #[test]
    fn names_come_back_as_they_were() {
        for name in ["a.png", "a b;c.txt", "quote\" and \\slash", "naïve – 日本.pdf", "line\r\nX-Evil: 1", "%41", "'"]
        {
            let header = disposition("image/png", Some(name));
            assert!(header.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{header}");
            assert_eq!(file_name(&header).as_deref(), Some(name), "{header}");
        }
    }

    #[test]
    fn names_of_other_servers_are_read() {
        for (header, expected) in [
            ("attachment; filename=a.txt", Some("a.txt")),
            ("inline;filename*=UTF-8'en'na%C3%AFve.txt;filename=naive.txt", Some("naïve.txt")),
            ("inline; filename*=latin1''x; filename=\"y\"", Some("y")),
            ("inline; FileName = \"a; b=c\" ; x=y", Some("a; b=c")),
            ("attachment", None),
            ("attachment; filename=\"\"", None),
            ("attachment; filename*=utf-8''%ff", None),
            ("attachment; filename", None),
            (";=;=;", None),
            ("a; filename=\"open", Some("open")),
        ] {
            assert_eq!(file_name(header).as_deref(), expected, "{header}");
        }
        assert_eq!(file_name(&format!("inline; filename={}", "x".repeat(FILE_NAME_BYTES_MAX + 1))), None);
    }
}
