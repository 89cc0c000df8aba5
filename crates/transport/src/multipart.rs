//! `multipart/mixed` with exactly two parts, as media travels between servers. S2S API, "Content Repository"; RFC 2046,
//! section 5.1.
//!
//! [`Parser`] is a state machine over bytes: what came is [pushed](Parser::push), what is known [pulled](Parser::pull). It
//! never holds more than a head and what one push brought.

use bytes::{Bytes, BytesMut};

/// Bytes before the first boundary that are skipped, and bytes of the first part, which says nothing yet.
const SKIPPED_BYTES_MAX: usize = 64 * 1024;
/// Bytes of the headers of one part.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Characters of a boundary. RFC 2046, section 5.1.1.
const BOUNDARY_BYTES_MAX: usize = 70;

/// Returns what stands before the content of the second part. The first one is an empty object.
pub fn opening(boundary: &str, content_type: &str, disposition: &str) -> Bytes {
    Bytes::from(format!(
        "--{boundary}\r\nContent-Type: application/json\r\n\r\n{{}}\r\n--{boundary}\r\nContent-Type: \
         {content_type}\r\nContent-Disposition: {disposition}\r\n\r\n"
    ))
}

/// Returns what stands behind it.
pub fn closing(boundary: &str) -> Bytes {
    Bytes::from(format!("\r\n--{boundary}--\r\n"))
}

/// Returns the boundary that a `Content-Type` header names, if it is one of `multipart/mixed`.
pub fn boundary(content_type: &str) -> Option<String> {
    let (essence, parameters) = content_type.split_once(';')?;
    if !essence.trim().eq_ignore_ascii_case("multipart/mixed") {
        return None;
    }
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim())
    })?;
    let value = value.strip_prefix('"').map_or(Some(value), |quoted| quoted.strip_suffix('"'))?;
    let is_boundary = (1..=BOUNDARY_BYTES_MAX).contains(&value.len())
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte));
    is_boundary.then(|| value.to_owned())
}

/// The headers of the second part that matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// `Content-Type`
    pub content_type: Option<String>,
    /// `Content-Disposition`
    pub disposition: Option<String>,
    /// `Location`: the content is elsewhere.
    pub location: Option<String>,
}

/// What the parser has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The second part begins.
    Head(Head),
    /// Some of its content.
    Content(Bytes),
    /// It has ended, as it should.
    End,
}

/// The answer is not what the specification says. Says where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not two parts of multipart/mixed: {0}")]
pub struct Malformed(&'static str);

/// Takes an answer apart.
#[derive(Debug)]
pub struct Parser {
    /// With the line break before it, which belongs to it.
    delimiter: Vec<u8>,
    buffer: BytesMut,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Preamble,
    FirstHead,
    FirstContent,
    SecondHead,
    SecondContent,
    Ended,
}

impl Parser {
    /// Expects parts between `boundary`.
    pub fn new(boundary: &str) -> Self {
        // The first boundary needs no line break before it.
        let buffer = BytesMut::from(&b"\r\n"[..]);
        Self { delimiter: format!("\r\n--{boundary}").into_bytes(), buffer, state: State::Preamble }
    }

    /// Takes what came.
    pub fn push(&mut self, data: &[u8]) {
        // What follows the end is an epilogue.
        if self.state != State::Ended {
            self.buffer.extend_from_slice(data);
        }
    }

    /// Returns what can be told so far, bit by bit; `None` if more must come.
    pub fn pull(&mut self) -> Result<Option<Found>, Malformed> {
        loop {
            let next = match self.state {
                State::Preamble => self.skip_to_part(State::FirstHead)?,
                State::FirstHead => self.head()?.map(|_| State::FirstContent),
                State::FirstContent => self.skip_to_part(State::SecondHead)?,
                State::SecondHead => {
                    let Some(head) = self.head()? else { return Ok(None) };
                    self.state = State::SecondContent;
                    return Ok(Some(Found::Head(head)));
                }
                State::SecondContent => return self.content(),
                State::Ended => return Ok(Some(Found::End)),
            };
            match next {
                Some(next) => self.state = next,
                None => return Ok(None),
            }
        }
    }

    fn skip_to_part(&mut self, next: State) -> Result<Option<State>, Malformed> {
        match find(&self.buffer, &self.delimiter) {
            Some(at) => {
                let Some(closes) = self.closes(at)? else { return Ok(None) };
                if closes {
                    return Err(Malformed("it ends before the second part"));
                }
                let _skipped = self.buffer.split_to(at + self.delimiter.len());
                Ok(Some(next))
            }
            None if self.buffer.len() > SKIPPED_BYTES_MAX => Err(Malformed("no boundary where one was expected")),
            None => Ok(None),
        }
    }

    /// Says whether the delimiter at `at` closes the last part, or `None` if what follows it has not come.
    fn closes(&self, at: usize) -> Result<Option<bool>, Malformed> {
        match &self.buffer[at + self.delimiter.len()..] {
            [b'-', b'-', ..] => Ok(Some(true)),
            [b'\r', b'\n', ..] => Ok(Some(false)),
            [] | [b'-' | b'\r'] => Ok(None),
            _ => Err(Malformed("a boundary is followed by something else")),
        }
    }

    /// Reads the headers. The buffer starts with the line break of the boundary.
    fn head(&mut self) -> Result<Option<Head>, Malformed> {
        let Some(end) = find(&self.buffer, b"\r\n\r\n") else {
            let too_long = self.buffer.len() > HEAD_BYTES_MAX;
            return if too_long { Err(Malformed("the headers of a part do not end")) } else { Ok(None) };
        };
        if end > HEAD_BYTES_MAX {
            return Err(Malformed("the headers of a part are too long"));
        }
        let lines = self.buffer.split_to(end + 4);
        let lines = String::from_utf8_lossy(&lines);
        let mut head = Head::default();
        for line in lines.split("\r\n").filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or(Malformed("a header of a part has no colon"))?;
            let slot = match name.trim().to_ascii_lowercase().as_str() {
                "content-type" => &mut head.content_type,
                "content-disposition" => &mut head.disposition,
                "location" => &mut head.location,
                _ => continue,
            };
            if slot.replace(value.trim().to_owned()).is_some() {
                return Err(Malformed("a header of a part stands twice"));
            }
        }
        Ok(Some(head))
    }

    fn content(&mut self) -> Result<Option<Found>, Malformed> {
        let known = match find(&self.buffer, &self.delimiter) {
            Some(0) => {
                return match self.closes(0)? {
                    Some(true) => {
                        self.state = State::Ended;
                        self.buffer.clear();
                        Ok(Some(Found::End))
                    }
                    Some(false) => Err(Malformed("there is a third part")),
                    None => Ok(None),
                };
            }
            Some(at) => at,
            // The delimiter may have begun.
            None => self.buffer.len().saturating_sub(self.delimiter.len() - 1),
        };
        Ok((known > 0).then(|| Found::Content(self.buffer.split_to(known).freeze())))
    }
}

/// Where `wanted`, which begins with the one `\r` that matters, stands first.
fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == b'\r') {
        if bytes[from + at..].starts_with(wanted) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses `bytes`, fed in pieces of `size`, and returns the head and the content.
    fn parse(bytes: &[u8], size: usize) -> Result<(Head, Vec<u8>), &'static str> {
        let mut parser = Parser::new("b");
        let (mut head, mut content, mut ended) = (None, Vec::new(), false);
        for piece in bytes.chunks(size) {
            parser.push(piece);
            while let Some(found) = parser.pull().map_err(|error| error.0)? {
                match found {
                    Found::Head(found) => head = Some(found),
                    Found::Content(found) => content.extend(found),
                    Found::End => {
                        ended = true;
                        break;
                    }
                }
            }
        }
        if ended { Ok((head.unwrap(), content)) } else { Err("unfinished") }
    }

    fn head(content_type: &str, disposition: Option<&str>) -> Head {
        Head { content_type: Some(content_type.into()), disposition: disposition.map(Into::into), location: None }
    }

    #[test]
    fn what_is_written_is_read_whatever_the_pieces() {
        let content = b"\r\n--\r\n--x\r\n\r\n--\r\n-b\0\xff\r".as_slice();
        let written = [&opening("b", "image/png", "inline"), content, &closing("b")].concat();
        for size in 1..written.len() + 1 {
            assert_eq!(parse(&written, size), Ok((head("image/png", Some("inline")), content.to_vec())), "{size}");
        }
    }

    #[test]
    fn what_other_servers_write_is_read() {
        for (text, expected) in [
            ("\r\n--b\r\nA: b\r\n\r\n{}\r\n--b\r\ncontent-type:text/plain\r\n\r\nhi\r\n--b--", "hi"),
            ("preamble\r\n--b\r\n\r\n{}\r\n--b\r\nContent-Type: text/plain\r\n\r\n\r\n--b--epilogue", ""),
            ("--b\r\n\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n\r\n\r\n--b--\r\n--b\r\n", "\r\n"),
        ] {
            assert_eq!(parse(text.as_bytes(), 3), Ok((head("text/plain", None), expected.into())), "{text}");
        }
        let location = "--b\r\n\r\n{}\r\n--b\r\nLocation: https://c.test/x?y\r\n\r\n\r\n--b--\r\n";
        let (head, _) = parse(location.as_bytes(), 1000).unwrap();
        assert_eq!(head.location.as_deref(), Some("https://c.test/x?y"));
    }

    #[test]
    fn what_is_not_two_parts_is_refused() {
        let long = "x".repeat(SKIPPED_BYTES_MAX + 1);
        let head_without_end = format!("--b\r\nA: {}", "x".repeat(HEAD_BYTES_MAX));
        for (text, reason) in [
            ("", "unfinished"),
            ("--b\r\n\r\n{}\r\n--b--\r\n", "it ends before the second part"),
            ("--b\r\n\r\n{}\r\n--b\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--", "there is a third part"),
            ("--b\r\n\r\n{}\r\n--b\r\n\r\nx", "unfinished"),
            ("--b\r\n\r\n{}\r\n--bc\r\n\r\nx\r\n--b--", "a boundary is followed by something else"),
            ("--b\r\nno colon\r\n\r\n{}\r\n--b\r\n\r\nx\r\n--b--", "a header of a part has no colon"),
            ("--b\r\nLocation: a\r\nlocation: b\r\n\r\n{}", "a header of a part stands twice"),
            (&long, "no boundary where one was expected"),
            (&head_without_end, "the headers of a part do not end"),
        ] {
            assert_eq!(parse(text.as_bytes(), 100), Err(reason), "{:.60}", text);
        }
    }

    #[test]
    fn the_boundary_is_read_from_the_header() {
        for (header, expected) in [
            ("multipart/mixed; boundary=abc", Some("abc")),
            ("Multipart/Mixed;charset=x; Boundary=\"a b\"", Some("a b")),
            ("multipart/mixed", None),
            ("multipart/form-data; boundary=abc", None),
            ("multipart/mixed; boundary=\"abc", None),
            ("multipart/mixed; boundary=", None),
            ("multipart/mixed; boundary=a\r\nb", None),
        ] {
            assert_eq!(boundary(header).as_deref(), expected, "{header}");
        }
        assert_eq!(boundary(&format!("multipart/mixed; boundary={}", "x".repeat(71))), None);
    }
}
