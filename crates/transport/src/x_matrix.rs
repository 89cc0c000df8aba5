//! The `Authorization` header of requests between servers. S2S API, "Request Authentication"; RFC 9110, section 11.4.

use events::{KeyId, PublicKey, ServerName, SigningKey, Value, json};

/// Bytes of a header that we look at. Two server names, a key id and a signature need a quarter of that.
const HEADER_BYTES_MAX: usize = 4096;

/// What the header says. Nothing has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XMatrix {
    /// Who asks.
    pub origin: ServerName,
    /// Who is asked. Older servers leave it out.
    pub destination: Option<ServerName>,
    /// With which key it is signed.
    pub key: KeyId,
    /// The signature in base64.
    pub signature: String,
}

/// Why a header is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Another scheme, such as `Bearer`.
    #[error("the authorization scheme is not X-Matrix")]
    Scheme,
    /// Not a list of name=value pairs.
    #[error("the X-Matrix header breaks the grammar of RFC 9110 at byte {0}")]
    Grammar(usize),
    /// The same name twice: two readers might each believe another one.
    #[error("the X-Matrix header has {0} twice")]
    Duplicate(&'static str),
    /// A parameter that must be there.
    #[error("the X-Matrix header has no {0}")]
    Missing(&'static str),
    /// A value that is not what it should be.
    #[error("the X-Matrix header's {name} is not a valid {expected}")]
    Invalid {
        /// Which parameter.
        name: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

/// What a request's signature covers.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    /// `GET`, `PUT`, `POST`
    pub method: &'a str,
    /// The path and query as they are on the wire, percent-encoding included.
    pub uri: &'a str,
    /// Who asks.
    pub origin: &'a ServerName,
    /// Who is asked.
    pub destination: &'a ServerName,
}

impl SignedRequest<'_> {
    /// Returns the bytes that are signed. `content` is the body as canonical JSON.
    fn message(&self, content: Option<&str>) -> String {
        let text = |text: &str| json::canonical_value(&Value::String(text.to_owned()));
        let content = content.map(|content| format!("\"content\":{content},")).unwrap_or_default();
        format!(
            "{{{content}\"destination\":{},\"method\":{},\"origin\":{},\"uri\":{}}}",
            text(self.destination.as_str()),
            text(self.method),
            text(self.origin.as_str()),
            text(self.uri),
        )
    }

    /// Signs the request and returns the header. `content` is the body as canonical JSON.
    pub fn sign(&self, content: Option<&str>, key: &SigningKey) -> String {
        let header = XMatrix {
            origin: self.origin.clone(),
            destination: Some(self.destination.clone()),
            key: key.id().clone(),
            signature: key.sign(self.message(content).as_bytes()),
        };
        header.to_header()
    }

    /// Says whether `signature` is the key's over this request. `body` is valid JSON as it came.
    ///
    /// This is the only place where a body is verified. Servers send bodies as canonical JSON, so the bytes that came are
    /// tried first: they verify whatever numbers are in them, floats of room versions 1 to 5 included, however the
    /// sender's language writes those. Only a body that was formatted on its way needs to be written anew.
    pub fn is_signed(&self, body: Option<&str>, key: &PublicKey, signature: &str) -> bool {
        if key.verifies(self.message(body).as_bytes(), signature) {
            return true;
        }
        let Some(canonical) = body.and_then(|body| serde_json::from_str(body).ok()).map(|v| json::canonical_value(&v))
        else {
            return false;
        };
        body != Some(canonical.as_str()) && key.verifies(self.message(Some(&canonical)).as_bytes(), signature)
    }
}

impl XMatrix {
    /// Reads the value of an `Authorization` header.
    pub fn parse(header: &str) -> Result<Self, Malformed> {
        let (scheme, parameters) = header.split_once(' ').ok_or(Malformed::Scheme)?;
        if !scheme.eq_ignore_ascii_case("X-Matrix") {
            return Err(Malformed::Scheme);
        }
        if header.len() > HEADER_BYTES_MAX {
            return Err(Malformed::Grammar(HEADER_BYTES_MAX));
        }
        let mut found = Found::default();
        let mut reader = Reader { text: parameters, at: 0 };
        while let Some((name, value)) =
            reader.next_parameter().map_err(|at| Malformed::Grammar(scheme.len() + 1 + at))?
        {
            found.put(&name, value)?;
        }
        found.finish()
    }

    /// Writes the header as the oldest servers still understand it: one space, lower case, no backslashes.
    pub fn to_header(&self) -> String {
        // None of the values can hold a quote or a backslash: their grammars forbid both.
        let destination = self.destination.as_ref().map(|name| format!("destination=\"{name}\",")).unwrap_or_default();
        format!("X-Matrix origin=\"{}\",{destination}key=\"{}\",sig=\"{}\"", self.origin, self.key, self.signature)
    }
}

#[derive(Default)]
struct Found {
    origin: Option<String>,
    destination: Option<String>,
    key: Option<String>,
    signature: Option<String>,
}

impl Found {
    fn put(&mut self, name: &str, value: String) -> Result<(), Malformed> {
        let (slot, name) = match name.to_ascii_lowercase().as_str() {
            "origin" => (&mut self.origin, "origin"),
            "destination" => (&mut self.destination, "destination"),
            "key" => (&mut self.key, "key"),
            // The specification says `signature` in one place and `sig` in its examples; all servers send `sig`.
            "sig" | "signature" => (&mut self.signature, "sig"),
            _ => return Ok(()),
        };
        if slot.replace(value).is_some() { Err(Malformed::Duplicate(name)) } else { Ok(()) }
    }

    fn finish(self) -> Result<XMatrix, Malformed> {
        let server = |name, value: String| {
            ServerName::parse(value).map_err(|_| Malformed::Invalid { name, expected: "server name" })
        };
        let key = self.key.ok_or(Malformed::Missing("key"))?;
        let signature = self.signature.ok_or(Malformed::Missing("sig"))?;
        if !signature.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte)) {
            return Err(Malformed::Invalid { name: "sig", expected: "signature in base64" });
        }
        Ok(XMatrix {
            origin: server("origin", self.origin.ok_or(Malformed::Missing("origin"))?)?,
            destination: self.destination.map(|name| server("destination", name)).transpose()?,
            key: KeyId::parse(key).map_err(|_| Malformed::Invalid { name: "key", expected: "key id" })?,
            signature,
        })
    }
}

/// Reads `name=value` pairs. Errors are the offset at which the grammar broke.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn next_parameter(&mut self) -> Result<Option<(String, String)>, usize> {
        // A list may have empty elements. RFC 9110, section 5.6.1.2.
        while matches!(self.peek(), Some(b' ' | b'\t' | b',')) {
            self.at += 1;
        }
        if self.peek().is_none() {
            return Ok(None);
        }
        let name = self.run_of(is_token)?;
        self.skip_space();
        if self.peek() != Some(b'=') {
            return Err(self.at);
        }
        self.at += 1;
        self.skip_space();
        let value = if self.peek() == Some(b'"') { self.quoted()? } else { self.run_of(is_bare)? };
        self.skip_space();
        match self.peek() {
            None | Some(b',') => Ok(Some((name, value))),
            Some(_) => Err(self.at),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    fn run_of(&mut self, accepts: fn(u8) -> bool) -> Result<String, usize> {
        let start = self.at;
        while self.peek().is_some_and(accepts) {
            self.at += 1;
        }
        if start == self.at { Err(start) } else { Ok(self.text[start..self.at].to_owned()) }
    }

    fn quoted(&mut self) -> Result<String, usize> {
        let start = self.at;
        let mut value = String::new();
        let mut chars = self.text[start + 1..].char_indices();
        while let Some((offset, char)) = chars.next() {
            match char {
                '"' => {
                    self.at = start + 1 + offset + 1;
                    return Ok(value);
                }
                '\\' => value.push(chars.next().ok_or(self.text.len())?.1),
                other => value.push(other),
            }
        }
        Err(self.text.len())
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A value without quotes: a token, with what older servers leave bare: colons, the brackets of IPv6 and base64's signs.
fn is_bare(byte: u8) -> bool {
    is_token(byte) || b":[]/=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_in_every_form_that_the_grammar_allows() {
        for header in [
            r#"X-Matrix origin="a.test:1",destination="b.test",key="ed25519:k1",sig="AB+/""#,
            r#"x-matrix   ORIGIN=a.test:1 ,	Destination=b.test,key=ed25519:k1,sig=AB+/"#,
            r#"X-Matrix sig="A\B+\/",key="ed25519:\k1",destination="b.test",origin="a.test:1""#,
            r#"X-Matrix ,, origin = "a.test:1", what="ever, \"x\"",key="ed25519:k1",signature="AB+/",destination=b.test,"#,
        ] {
            let read = XMatrix::parse(header).unwrap_or_else(|error| panic!("{header}: {error}"));
            assert_eq!(read.origin.as_str(), "a.test:1", "{header}");
            assert_eq!(read.destination.as_ref().map(ServerName::as_str), Some("b.test"), "{header}");
            assert_eq!((read.key.as_str(), read.signature.as_str()), ("ed25519:k1", "AB+/"), "{header}");
        }
    }

    #[test]
    fn a_missing_destination_is_accepted() {
        let read = XMatrix::parse(r#"X-Matrix origin=a.test,key="ed25519:k1",sig="AB""#).unwrap();
        assert_eq!(read.destination, None);
    }

    #[test]
    fn what_breaks_the_grammar_is_refused() {
        for (header, error) in [
            ("Bearer abc", Malformed::Scheme),
            ("X-Matrix", Malformed::Scheme),
            ("X-Matrix origin=a.test,origin=b.test,key=ed25519:1,sig=A", Malformed::Duplicate("origin")),
            ("X-Matrix origin=a.test,key=ed25519:1,sig=A,Sig=B", Malformed::Duplicate("sig")),
            ("X-Matrix origin=a.test,key=ed25519:1,sig=A,signature=B", Malformed::Duplicate("sig")),
            ("X-Matrix key=ed25519:1,sig=A", Malformed::Missing("origin")),
            ("X-Matrix origin=a.test,sig=A", Malformed::Missing("key")),
            ("X-Matrix origin=a.test,key=ed25519:1", Malformed::Missing("sig")),
            ("X-Matrix origin=a.test key=ed25519:1,sig=A", Malformed::Grammar(23)),
            ("X-Matrix origin=\"a.test", Malformed::Grammar(23)),
            ("X-Matrix origin", Malformed::Grammar(15)),
            ("X-Matrix origin=,key=ed25519:1,sig=A", Malformed::Grammar(16)),
            (
                "X-Matrix origin=\"a/b\",key=ed25519:1,sig=A",
                Malformed::Invalid { name: "origin", expected: "server name" },
            ),
            (
                "X-Matrix origin=a.test,destination=\"\",key=ed25519:1,sig=A",
                Malformed::Invalid { name: "destination", expected: "server name" },
            ),
            ("X-Matrix origin=a.test,key=1,sig=A", Malformed::Invalid { name: "key", expected: "key id" }),
            (
                "X-Matrix origin=a.test,key=ed25519:1,sig=\"A\\\"B\"",
                Malformed::Invalid { name: "sig", expected: "signature in base64" },
            ),
        ] {
            assert_eq!(XMatrix::parse(header), Err(error), "{header}");
        }
        let long = format!("X-Matrix origin=a.test,key=ed25519:1,sig={}", "A".repeat(HEADER_BYTES_MAX));
        assert_eq!(XMatrix::parse(&long), Err(Malformed::Grammar(HEADER_BYTES_MAX)));
    }

    /// Made with Synapse's libraries (signedjson), so that an error of ours cannot cancel itself out.
    #[test]
    fn a_request_is_signed_as_other_servers_sign_it() {
        let key = SigningKey::from_file_text("ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1").unwrap();
        let (origin, destination) = (server("a.test"), server("b.test:8448"));
        let request = SignedRequest {
            method: "PUT",
            uri: "/_matrix/federation/v1/send/1?a=%21b",
            origin: &origin,
            destination: &destination,
        };
        let header = XMatrix::parse(&request.sign(Some(r#"{"a":"ä","b":1}"#), &key)).unwrap();
        assert_eq!(header.signature, SIGNEDJSON_SIGNATURE);
        assert!(request.is_signed(Some(r#"{"a":"ä","b":1}"#), &key.public(), &header.signature));
        assert!(request.is_signed(Some(r#"{ "b": 1, "a": "\u00e4" }"#), &key.public(), &header.signature));
        assert!(!request.is_signed(Some(r#"{"a":"ä","b":2}"#), &key.public(), &header.signature));
        assert!(!request.is_signed(None, &key.public(), &header.signature));
        let elsewhere = SignedRequest { uri: "/_matrix/federation/v1/send/1?a=!b", ..request };
        assert!(!elsewhere.is_signed(Some(r#"{"a":"ä","b":1}"#), &key.public(), &header.signature));
    }

    const SIGNEDJSON_SIGNATURE: &str =
        "GPqIGNee5ZPMcsFg88r3OqzOt+uef71IVTNv9W8TxMkophdBNtT+fOTUeA2oPsa94ImTpwMFn8Hz4Hsh8gWHCA";

    #[test]
    fn a_float_that_another_language_wrote_verifies() {
        let key = SigningKey::from_seed(KeyId::parse("ed25519:1").unwrap(), &[7; 32]);
        let (origin, destination) = (server("a.test"), server("b.test"));
        let request = SignedRequest { method: "PUT", uri: "/x", origin: &origin, destination: &destination };
        let body = r#"{"a":1e+16,"b":123456789012345678901234567890,"c":1.50}"#;
        let signature = key.sign(request.message(Some(body)).as_bytes());
        assert!(request.is_signed(Some(body), &key.public(), &signature));
    }

    fn server(name: &str) -> ServerName {
        ServerName::parse(name).unwrap()
    }
}
