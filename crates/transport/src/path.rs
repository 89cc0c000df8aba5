//! Paths of requests, with what is put into them percent-encoded.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but the unreserved characters of RFC 3986, so that no proxy on the way finds anything to rewrite.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Builds a path with its query: `PathBuilder::new("/_matrix/federation/v1/state").segment(room).query("event_id", event)`.
#[derive(Debug, Clone)]
pub struct PathBuilder {
    text: String,
    has_query: bool,
}

impl PathBuilder {
    /// Starts with `fixed`, which is taken as it is.
    pub fn new(fixed: &str) -> Self {
        Self { text: fixed.to_owned(), has_query: false }
    }

    /// Appends a slash and `segment`. Not after a [`PathBuilder::query`].
    pub fn segment(mut self, segment: impl AsRef<str>) -> Self {
        self.text.push('/');
        self.text.extend(utf8_percent_encode(segment.as_ref(), ENCODED));
        self
    }

    /// Appends a parameter of the query.
    pub fn query(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.text.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        self.text.push_str(name);
        self.text.push('=');
        self.text.extend(utf8_percent_encode(value.as_ref(), ENCODED));
        self
    }

    /// Returns the path.
    pub fn finish(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_could_end_a_segment_is_encoded() {
        let path = PathBuilder::new("/x").segment("!a/b:c.test").segment("$d?#%").query("v", "$é&=").query("v", "2");
        assert_eq!(path.finish(), "/x/%21a%2Fb%3Ac.test/%24d%3F%23%25?v=%24%C3%A9%26%3D&v=2");
    }
}
