//! Asks other servers: signs the request, sends it, reads the answer, and takes note of how it went.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use events::{Object, ServerName, SigningKey, Value, json};
use handles::{Handles, Timestamp};

use crate::download::{Download, Downloads, Pieces};
use crate::exchange::{Exchange, ExchangeError, Request, Response};
use crate::health::Health;
use crate::x_matrix::SignedRequest;

/// Bytes of a peer's error text that we pass on.
const ERROR_BYTES_MAX: usize = 500;
/// Deeper than any answer of the specification; the parser's own limit is higher.
const ERRCODE_BYTES_MAX: usize = 255;

/// For how long a server is left alone that wants a rest but does not say how long.
const REST_IF_NOT_SAID: Duration = Duration::from_secs(1);

/// The client of one server. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    server_name: ServerName,
    key: Arc<SigningKey>,
    exchange: Arc<dyn Exchange>,
    handles: Handles,
    health: Arc<Health>,
}

/// How much one call may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// For the whole call. Large answers may take longer as long as they make progress.
    pub timeout: Duration,
    /// Bytes of the answer.
    pub response_bytes_max: usize,
}

/// What to do with a server that [rests](Health::resting_until).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Do not ask it: [`CallError::Resting`].
    Respect,
    /// Ask it all the same: a person waits, or there is nobody else to ask.
    Ignore,
}

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// There was no response.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// It said no.
    #[error("{server} refused with {status} {errcode}: {error}")]
    Refused {
        /// Who.
        server: ServerName,
        /// The HTTP status.
        status: u16,
        /// `M_UNKNOWN` if it gave none.
        errcode: String,
        /// In its words.
        error: String,
        /// The whole body; null if it was no JSON.
        body: Value,
    },
    /// It answered with something that is not an answer.
    #[error("{server} answered with garbage: {reason}")]
    Garbage {
        /// Who.
        server: ServerName,
        /// What is wrong with it.
        reason: String,
    },
    /// It failed lately and is not asked now.
    #[error("{server} failed lately and rests until {until}")]
    Resting {
        /// Who.
        server: ServerName,
        /// In milliseconds since 1970.
        until: Timestamp,
    },
}

impl CallError {
    /// Says whether the server took note of the request and refused it for good, so that a repetition would change nothing.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Refused { status, .. } => !is_passing(*status),
            Self::Exchange(_) | Self::Garbage { .. } | Self::Resting { .. } => false,
        }
    }
}

impl Client {
    /// A client that asks in the name of `server_name`.
    pub fn new(
        server_name: ServerName,
        key: Arc<SigningKey>,
        exchange: Arc<dyn Exchange>,
        handles: Handles,
        health: Arc<Health>,
    ) -> Self {
        Self { server_name, key, exchange, handles, health }
    }

    /// In whose name this client asks.
    pub fn server_name(&self) -> &ServerName {
        &self.server_name
    }

    /// What carries the requests.
    pub(crate) fn exchange(&self) -> &Arc<dyn Exchange> {
        &self.exchange
    }

    /// The health of the servers that are asked.
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// Sends a signed request and returns the JSON of the answer. A destination that rests is not asked.
    ///
    /// `path_and_query` comes from a [`PathBuilder`](crate::path::PathBuilder). `body` is an object, for `PUT` and `POST`.
    pub async fn call(
        &self,
        destination: &ServerName,
        method: http::Method,
        path_and_query: String,
        body: Option<&Value>,
        limits: CallLimits,
    ) -> Result<Value, CallError> {
        let body = self.call_raw(destination, method, path_and_query, body, limits, Rest::Respect).await?;
        parse(destination, &body)
    }

    /// Like [`Client::call`], but a destination that rests is asked too.
    pub async fn call_resting(
        &self,
        destination: &ServerName,
        method: http::Method,
        path_and_query: String,
        body: Option<&Value>,
        limits: CallLimits,
    ) -> Result<Value, CallError> {
        let body = self.call_raw(destination, method, path_and_query, body, limits, Rest::Ignore).await?;
        parse(destination, &body)
    }

    /// Like [`Client::call`], but returns the body of a successful answer unparsed.
    pub async fn call_raw(
        &self,
        destination: &ServerName,
        method: http::Method,
        path_and_query: String,
        body: Option<&Value>,
        limits: CallLimits,
        rest: Rest,
    ) -> Result<Bytes, CallError> {
        match (rest, self.health.resting_until(destination)) {
            (Rest::Respect, Some(until)) => return Err(CallError::Resting { server: destination.clone(), until }),
            (Rest::Respect, None) | (Rest::Ignore, _) => {}
        }
        if *destination == self.server_name {
            return Err(unreachable(destination, "a server does not ask itself"));
        }
        let request = self.sign(destination, method, path_and_query, body, limits);
        let began = self.handles.clock.now();
        let response = self.exchange.send(request).await;
        self.note(destination, began, &response);
        let response = response?;
        if (200..300).contains(&response.status) { Ok(response.body) } else { Err(refusal(destination, &response)) }
    }

    /// Like [`Client::call_raw`], but the body of a successful answer is yet to be read. A destination that rests is asked too.
    pub async fn call_in_pieces(
        &self,
        destination: &ServerName,
        method: http::Method,
        path_and_query: String,
        body: Option<&Value>,
        limits: CallLimits,
    ) -> Result<Pieces, CallError> {
        let request = self.sign(destination, method, path_and_query, body, limits);
        Ok(self.open(&*self.exchange, destination, request).await?.body)
    }

    /// Sends a signed `GET` and returns the answer with its body unread, if it is a success. A destination that rests is asked too.
    pub(crate) async fn download(
        &self,
        downloads: &dyn Downloads,
        destination: &ServerName,
        path_and_query: String,
        limits: CallLimits,
    ) -> Result<Download, CallError> {
        let request = self.sign(destination, http::Method::GET, path_and_query, None, limits);
        self.open(downloads, destination, request).await
    }

    /// Like [`Client::download`], but the request is not signed.
    pub(crate) async fn download_openly(
        &self,
        downloads: &dyn Downloads,
        destination: &ServerName,
        path_and_query: String,
        limits: CallLimits,
    ) -> Result<Download, CallError> {
        let signed = self.sign(destination, http::Method::GET, path_and_query, None, limits);
        self.open(downloads, destination, Request { authorization: None, ..signed }).await
    }

    async fn open(
        &self,
        downloads: &dyn Exchange,
        destination: &ServerName,
        request: Request,
    ) -> Result<Download, CallError> {
        if *destination == self.server_name {
            return Err(unreachable(destination, "a server does not ask itself"));
        }
        let began = self.handles.clock.now();
        let opened = match downloads.open(request).await {
            Ok(download) if (200..300).contains(&download.status) => {
                self.health.succeeded(destination);
                return Ok(download);
            }
            Ok(refused) => refused.into_response().await,
            Err(error) => Err(error),
        };
        let about_the_file = opened.as_ref().is_ok_and(|response| is_about_a_file(destination, response));
        if about_the_file {
            self.health.succeeded(destination);
        } else {
            self.note(destination, began, &opened);
        }
        Err(refusal(destination, &opened?))
    }

    fn sign(
        &self,
        destination: &ServerName,
        method: http::Method,
        path_and_query: String,
        body: Option<&Value>,
        limits: CallLimits,
    ) -> Request {
        let body = body.map(json::canonical_value);
        let signed =
            SignedRequest { method: method.as_str(), uri: &path_and_query, origin: &self.server_name, destination };
        let authorization = signed.sign(body.as_deref(), &self.key);
        Request {
            destination: destination.clone(),
            method,
            path_and_query,
            authorization: Some(authorization),
            body: body.map(Bytes::from),
            timeout: limits.timeout,
            response_bytes_max: limits.response_bytes_max,
        }
    }

    /// A refusal is a sign of health. What a proxy says when the server behind it is down is not, nor is a server that
    /// cannot check who we are.
    fn note(&self, destination: &ServerName, began: Timestamp, outcome: &Result<Response, ExchangeError>) {
        match outcome {
            Ok(response) if response.status == 429 => {
                self.health.asked_to_rest(
                    destination,
                    asked_rest(response),
                    &refusal(destination, response).to_string(),
                );
            }
            Ok(response) if is_passing(response.status) => {
                self.health.failed(destination, began, &refusal(destination, response).to_string());
            }
            // It answers, if only too much.
            Ok(_) | Err(ExchangeError::TooLarge(_)) => self.health.succeeded(destination),
            Err(error @ (ExchangeError::Unreachable { .. } | ExchangeError::TimedOut(_))) => {
                self.health.failed(destination, began, &error.to_string());
            }
        }
    }
}

/// For how long a server that wants a rest wants it. Older ones say so in the body alone. C-S API, "Rate limiting".
fn asked_rest(response: &Response) -> Duration {
    let in_body = || {
        let body: Value = serde_json::from_slice(&response.body).ok()?;
        body.get("retry_after_ms")?.as_u64().map(Duration::from_millis)
    };
    response.retry_after.map(Duration::from_secs).or_else(in_body).unwrap_or(REST_IF_NOT_SAID)
}

/// Says whether a refusal is about a file and not about the server, although its status is one of those that a proxy gives for a
/// server that is down: 504 and 502 are what the specification wants for a file that is yet to come, or too large.
fn is_about_a_file(server: &ServerName, response: &Response) -> bool {
    match refusal(server, response) {
        CallError::Refused { errcode, .. } => errcode == "M_NOT_YET_UPLOADED" || errcode == "M_TOO_LARGE",
        CallError::Exchange(_) | CallError::Garbage { .. } | CallError::Resting { .. } => false,
    }
}

/// Says whether a later repetition may fare better.
fn is_passing(status: u16) -> bool {
    status >= 500 || status == 429 || status == 401 || status == 408
}

fn unreachable(server: &ServerName, reason: &str) -> CallError {
    CallError::Exchange(ExchangeError::Unreachable { server: server.clone(), reason: reason.to_owned() })
}

fn parse(server: &ServerName, body: &[u8]) -> Result<Value, CallError> {
    let garbage = |reason: String| CallError::Garbage { server: server.clone(), reason };
    let value: Value = serde_json::from_slice(body).map_err(|error| garbage(error.to_string()))?;
    // `PUT /v1/send_join` and its like answer with a pair.
    if value.is_object() || value.is_array() {
        Ok(value)
    } else {
        Err(garbage("neither an object nor an array".into()))
    }
}

fn refusal(server: &ServerName, response: &Response) -> CallError {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let text = |key, otherwise: &str, bytes_max| {
        let text = body.get(key).and_then(Value::as_str).unwrap_or(otherwise);
        text[..text.floor_char_boundary(bytes_max)].to_owned()
    };
    CallError::Refused {
        server: server.clone(),
        status: response.status,
        errcode: text("errcode", "M_UNKNOWN", ERRCODE_BYTES_MAX),
        error: text("error", "no reason given", ERROR_BYTES_MAX),
        body,
    }
}

/// Returns `value` as an object, or says that `server` did not send one.
pub fn expect_object(server: &ServerName, value: Value) -> Result<Object, CallError> {
    match value {
        Value::Object(object) => Ok(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(CallError::Garbage { server: server.clone(), reason: "the answer is not an object".to_owned() })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use events::KeyId;
    use persistence::Database;
    use serde_json::json;

    use super::*;
    use crate::exchange::BoxFuture;
    use crate::x_matrix::XMatrix;

    /// Answers every request with the same outcome and keeps the requests.
    struct Scripted {
        outcome: Mutex<Result<Response, ExchangeError>>,
        seen: Mutex<Vec<Request>>,
    }

    impl Exchange for Scripted {
        fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, ExchangeError>> {
            self.seen.lock().unwrap().push(request);
            let outcome = self.outcome.lock().unwrap().clone();
            Box::pin(async move { outcome })
        }
    }

    const LIMITS: CallLimits = CallLimits { timeout: Duration::from_secs(10), response_bytes_max: 1000 };

    async fn client(outcome: Result<Response, ExchangeError>) -> (Client, Arc<Scripted>) {
        let handles = Handles::simulated(1);
        let health = Health::open(Database::open_inline(None).unwrap(), handles.clone()).await.unwrap();
        let key = Arc::new(SigningKey::from_seed(KeyId::parse("ed25519:1").unwrap(), &[7; 32]));
        let scripted = Arc::new(Scripted { outcome: Mutex::new(outcome), seen: Mutex::default() });
        (Client::new(name("a.test"), key, Arc::clone(&scripted) as _, handles, health), scripted)
    }

    fn name(name: &str) -> ServerName {
        ServerName::parse(name).unwrap()
    }

    fn response(status: u16, body: &str) -> Result<Response, ExchangeError> {
        Ok(Response { status, body: Bytes::from(body.to_owned()), retry_after: None })
    }

    async fn put(client: &Client, to: &str) -> Result<Value, CallError> {
        client
            .call(&name(to), http::Method::PUT, "/x?y=%21".to_owned(), Some(&json!({"b": 1, "a": [1.5]})), LIMITS)
            .await
    }

    #[tokio::test(start_paused = true)]
    async fn the_header_signs_what_is_sent() {
        let (client, scripted) = client(response(200, r#"{"ok":true}"#)).await;
        assert_eq!(put(&client, "b.test").await, Ok(json!({"ok": true})));
        let seen = scripted.seen.lock().unwrap();
        let header = XMatrix::parse(seen[0].authorization.as_ref().unwrap()).unwrap();
        let body = std::str::from_utf8(seen[0].body.as_ref().unwrap()).unwrap();
        assert_eq!(body, r#"{"a":[1.5],"b":1}"#);
        let (origin, destination) = (name("a.test"), name("b.test"));
        let signed = SignedRequest { method: "PUT", uri: "/x?y=%21", origin: &origin, destination: &destination };
        assert!(signed.is_signed(Some(body), &client.key.public(), &header.signature));
        assert_eq!((header.origin.clone(), header.destination), (origin.clone(), Some(destination.clone())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_failed_rests_and_one_that_refused_does_not() {
        let unreachable = ExchangeError::Unreachable { server: name("b.test"), reason: "refused".to_owned() };
        for (outcome, rests) in [
            (Err(unreachable), true),
            (Err(ExchangeError::TimedOut(name("b.test"))), true),
            (Err(ExchangeError::TooLarge(name("b.test"))), false),
            (response(502, "<html>"), true),
            (response(401, "{}"), true),
            (response(429, "{}"), true),
            (response(403, r#"{"errcode":"M_FORBIDDEN","error":"no"}"#), false),
            (response(404, "{}"), false),
            (response(200, "{}"), false),
            (response(200, "garbage"), false),
        ] {
            let (client, scripted) = client(outcome.clone()).await;
            let first = put(&client, "b.test").await;
            let second = put(&client, "b.test").await;
            assert_eq!(matches!(second, Err(CallError::Resting { .. })), rests, "{outcome:?}: {first:?}, {second:?}");
            assert_eq!(scripted.seen.lock().unwrap().len(), if rests { 1 } else { 2 });
            let insisted = client.call_resting(&name("b.test"), http::Method::GET, "/".to_owned(), None, LIMITS).await;
            assert!(!matches!(insisted, Err(CallError::Resting { .. })));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_rest_that_is_asked_for_is_granted_up_to_an_hour() {
        for (retry_after, body, seconds) in [
            (Some(100), r#"{"retry_after_ms":5000}"#, 100),
            (None, r#"{"retry_after_ms":5000}"#, 5),
            (None, r#"{"retry_after_ms":"5000"}"#, 1),
            (None, "<html>", 1),
            (Some(u64::MAX), "", 3600),
        ] {
            let asked = Response { status: 429, body: Bytes::from(body), retry_after };
            let (client, _) = client(Ok(asked)).await;
            put(&client, "b.test").await.unwrap_err();
            let now = client.handles.clock.now();
            assert_eq!(client.health().resting_until(&name("b.test")), Some(now + seconds * 1000), "{body}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_carries_the_words_of_the_server() {
        let (client, _) = client(response(403, r#"{"errcode":"M_FORBIDDEN","error":"You shall not pass"}"#)).await;
        let error = put(&client, "b.test").await.unwrap_err();
        assert_eq!(error.to_string(), "b.test refused with 403 M_FORBIDDEN: You shall not pass");
        assert!(error.is_final());
    }

    #[tokio::test(start_paused = true)]
    async fn garbage_is_an_error_that_names_the_server() {
        for garbage in ["", "{", "1", "\"x\"", "\u{0}"] {
            let (client, _) = client(response(200, garbage)).await;
            let error = put(&client, "b.test").await.unwrap_err();
            assert!(matches!(&error, CallError::Garbage { server, .. } if server.as_str() == "b.test"), "{error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_never_asks_itself() {
        let (client, scripted) = client(response(200, "{}")).await;
        assert!(matches!(put(&client, "a.test").await, Err(CallError::Exchange(_))));
        assert!(scripted.seen.lock().unwrap().is_empty());
    }
}
