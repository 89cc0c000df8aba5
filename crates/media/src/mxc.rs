//! `mxc://server/id`. C-S API, "Matrix Content (`mxc://`) URIs".

use std::fmt;

use events::ServerName;

use crate::limits::MEDIA_ID_BYTES_MAX;

/// The address of a file, whose parts follow their grammar: neither can name a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mxc {
    server: ServerName,
    media_id: String,
}

/// A text that cannot be part of an address. Names it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither a server name nor a media id")]
pub struct InvalidMxc(String);

impl Mxc {
    /// Checks both parts.
    pub fn new(server: &str, media_id: &str) -> Result<Self, InvalidMxc> {
        let invalid = |text: &str| InvalidMxc(text.chars().take(MEDIA_ID_BYTES_MAX).collect());
        let server = ServerName::parse(server).map_err(|_| invalid(server))?;
        let is_id = (1..=MEDIA_ID_BYTES_MAX).contains(&media_id.len())
            && media_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if is_id { Ok(Self { server, media_id: media_id.to_owned() }) } else { Err(invalid(media_id)) }
    }

    /// Where the file comes from.
    pub fn server(&self) -> &ServerName {
        &self.server
    }

    /// Its id there.
    pub fn media_id(&self) -> &str {
        &self.media_id
    }
}

impl fmt::Display for Mxc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mxc://{}/{}", self.server, self.media_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_could_name_a_folder_is_an_address() {
        assert_eq!(Mxc::new("a.test:8448", "aZ0_-").unwrap().to_string(), "mxc://a.test:8448/aZ0_-");
        for id in ["", ".", "..", "../../etc/passwd", "a/b", "a\\b", "a.b", "a%2Fb", "a\0b", "ä", &"a".repeat(256)] {
            assert!(Mxc::new("a.test", id).is_err(), "{id}");
        }
        for server in ["", "../x", "a/b", "a.test/..", "a b", "%2e%2e"] {
            let result = Mxc::new(server, "id");
            assert!(result.is_err(), "{server}");
        }
    }
}
