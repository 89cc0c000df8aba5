//! The events in a large answer, one after the other as they arrive: the answer is never held as a whole.

use events::ServerName;
use futures_util::StreamExt;
use serde_json::value::RawValue;
use transport::Pieces;

use super::RequestError;

/// Bytes of one element. An event has 64 KiB at most; with its `unsigned` data, and escaped, it may take more.
const ELEMENT_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a key.
const KEY_BYTES_MAX: usize = 256;

/// The elements of some arrays of an answer, which is an object.
pub struct Elements {
    server: ServerName,
    path: String,
    pieces: Pieces,
    splitter: Splitter,
    found: Vec<Box<RawValue>>,
    ended: bool,
}

impl Elements {
    pub(super) fn new(server: ServerName, path: String, pieces: Pieces, arrays: &'static [&'static str]) -> Self {
        Self { server, path, pieces, splitter: Splitter::new(arrays), found: Vec::new(), ended: false }
    }

    /// Waits for the next `count` elements, or fewer at the end. Empty when there are no more.
    pub async fn next(&mut self, count: usize) -> Result<Vec<Box<RawValue>>, RequestError> {
        while self.found.len() < count && !self.ended {
            match self.pieces.next().await {
                Some(piece) => {
                    let piece = piece.map_err(|error| RequestError::Failed(error.into()))?;
                    self.splitter.feed(&piece, &mut self.found).map_err(|reason| self.malformed(reason))?;
                }
                None => {
                    self.ended = true;
                    if !self.splitter.is_complete() {
                        return Err(self.malformed("it breaks off".to_owned()));
                    }
                }
            }
        }
        let rest = self.found.split_off(count.min(self.found.len()));
        Ok(std::mem::replace(&mut self.found, rest))
    }

    fn malformed(&self, reason: String) -> RequestError {
        RequestError::Malformed { server: self.server.clone(), path: self.path.clone(), reason }
    }
}

/// Cuts an object into the elements of some of its arrays. What else is in the object is passed over, and not checked.
struct Splitter {
    arrays: &'static [&'static str],
    at: At,
    /// The key, the element: what is being read.
    read: Vec<u8>,
    wanted: bool,
}

/// Where in the object the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Start,
    /// Before a key, or at the end of the object.
    Key,
    InKey,
    Colon,
    Value,
    /// In a value that is not wanted, or in a wanted element.
    Inside(Nesting),
    /// Between the elements of a wanted array.
    Between,
    Element(Nesting),
    End,
}

/// How deep in a value, and whether in a text there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Nesting {
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl Nesting {
    fn after(mut self, byte: u8) -> Self {
        if self.in_text {
            let escapes = byte == b'\\' && !self.escaped;
            self.in_text = byte != b'"' || self.escaped;
            self.escaped = escapes;
        } else {
            match byte {
                b'"' => self.in_text = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        self
    }
}

impl Splitter {
    fn new(arrays: &'static [&'static str]) -> Self {
        Self { arrays, at: At::Start, read: Vec::new(), wanted: false }
    }

    fn is_complete(&self) -> bool {
        self.at == At::End
    }

    fn feed(&mut self, bytes: &[u8], found: &mut Vec<Box<RawValue>>) -> Result<(), String> {
        for byte in bytes {
            self.at = self.step(*byte, found)?;
        }
        Ok(())
    }

    fn step(&mut self, byte: u8, found: &mut Vec<Box<RawValue>>) -> Result<At, String> {
        let is_space = byte.is_ascii_whitespace();
        Ok(match (self.at, byte) {
            (At::Start | At::Key | At::Colon | At::Value | At::Between | At::End, _) if is_space => self.at,
            (At::Start, b'{') | (At::Key, b',') => At::Key,
            (At::Key, b'}') => At::End,
            (At::Key, b'"') => {
                self.read.clear();
                At::InKey
            }
            (At::InKey, b'"') => {
                self.wanted = self.arrays.iter().any(|array| array.as_bytes() == self.read);
                At::Colon
            }
            (At::InKey, _) => {
                self.keep(byte, KEY_BYTES_MAX)?;
                At::InKey
            }
            (At::Colon, b':') => At::Value,
            (At::Value, b'[') if self.wanted => At::Between,
            (At::Value, _) if self.wanted => return Err("what is to be a list is none".to_owned()),
            (At::Value, _) => At::Inside(Nesting::default().after(byte)),
            // A number or a word ends with what follows it.
            (At::Inside(Nesting { depth: 0, in_text: false, .. }), b',') => At::Key,
            (At::Inside(Nesting { depth: 0, in_text: false, .. }), b'}') => At::End,
            (At::Inside(nesting), _) => At::Inside(nesting.after(byte)),
            (At::Between, b',') => At::Between,
            (At::Between, b']') => At::Key,
            (At::Between, b'{') => {
                self.read.clear();
                self.keep(byte, ELEMENT_BYTES_MAX)?;
                At::Element(Nesting::default().after(byte))
            }
            (At::Element(nesting), _) => {
                self.keep(byte, ELEMENT_BYTES_MAX)?;
                let nesting = nesting.after(byte);
                if nesting.depth > 0 {
                    return Ok(At::Element(nesting));
                }
                found.push(serde_json::from_slice(&self.read).map_err(|error| error.to_string())?);
                At::Between
            }
            (At::Start | At::Key | At::Colon | At::Between | At::End, _) => {
                return Err(format!("there is {:?} where the specification has something else", char::from(byte)));
            }
        })
    }

    fn keep(&mut self, byte: u8, bytes_max: usize) -> Result<(), String> {
        if self.read.len() >= bytes_max {
            return Err(format!("one of its parts has more than {bytes_max} bytes"));
        }
        self.read.push(byte);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::stream;

    use super::*;

    const ARRAYS: &[&str] = &["pdus", "auth_chain"];

    async fn read(text: &str, piece: usize, count: usize) -> Result<Vec<String>, String> {
        let pieces: Vec<Bytes> = text.as_bytes().chunks(piece).map(Bytes::copy_from_slice).collect();
        let pieces = Box::pin(stream::iter(pieces.into_iter().map(Ok)));
        let server = ServerName::parse("a.test").unwrap();
        let mut elements = Elements::new(server, "/state".to_owned(), pieces, ARRAYS);
        let mut all = Vec::new();
        loop {
            let some = elements.next(count).await.map_err(|error| error.to_string())?;
            assert!(some.len() <= count);
            if some.is_empty() {
                return Ok(all);
            }
            all.extend(some.iter().map(|element| element.get().to_owned()));
        }
    }

    #[tokio::test]
    async fn elements_are_found_wherever_the_pieces_end() {
        let text = r#" { "origin" : "x]}\"{[", "n":-1.5e3,"pdus": [{"a":"}\\"} , {"b":[1,{"c":"\"]"}]}],
            "more": {"pdus": [{"not": 1}], "x": [[{}]]}, "auth_chain":[{}],"null":null,"last":true } "#;
        let wanted = [r#"{"a":"}\\"}"#, r#"{"b":[1,{"c":"\"]"}]}"#, "{}"];
        for piece in 1..text.len() {
            for count in [1, 2, 10] {
                assert_eq!(read(text, piece, count).await.unwrap(), wanted, "pieces of {piece}, {count} at once");
            }
        }
        assert!(read(r#"{"pdus":[],"auth_chain":[]}"#, 3, 1).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_is_no_such_answer_is_said_to_be_none() {
        for text in [
            "",
            "[]",
            "{",
            r#"{"pdus":[{"a":1}"#,
            r#"{"pdus":[{"a":1}]"#,
            r#"{"pdus":[{"a":1"#,
            r#"{"pdus":{"a":1}}"#,
            r#"{"pdus":[1]}"#,
            r#"{"pdus":[{"a":}]}"#,
            r#"{"pdus":[{"a":]}]}"#,
            r#"{"pdus":[]}x"#,
        ] {
            assert!(read(text, 4, 2).await.is_err(), "{text}");
        }
        let large = format!(r#"{{"pdus":[{{"a":"{}"}}]}}"#, "x".repeat(ELEMENT_BYTES_MAX));
        assert!(read(&large, 10_000, 2).await.unwrap_err().contains("more than"));
    }
}
