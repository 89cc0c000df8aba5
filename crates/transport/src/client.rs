//! Signed requests to other servers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use events::{Object, ServerName, SigningKey, Value, json};
use handles::Timestamp;

use crate::exchange::{Exchange, ExchangeError, Request, Response};
use crate::x_matrix::SignedRequest;

/// Asks other servers in our name. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    server_name: ServerName,
    key: Arc<SigningKey>,
    exchange: Arc<dyn Exchange>,
    watch: Arc<dyn Watch>,
}

/// Limits of one call.
#[derive(Debug, Clone, Copy)]
pub struct CallLimits {
    /// How long to wait for the whole response.
    pub timeout: Duration,
    /// How many bytes of it to read.
    pub response_bytes_max: usize,
}

/// Follows how it goes with each server, and says whom to leave in peace.
pub trait Watch: Send + Sync {
    /// Returns until when `server` is not to be asked, if it rests.
    fn resting_until(&self, server: &ServerName) -> Option<Timestamp>;
    /// It answered, whatever the status.
    fn answered(&self, server: &ServerName);
    /// There was no response.
    fn failed(&self, server: &ServerName, error: &ExchangeError);
}

/// Asks everybody, always.
pub struct NoWatch;

impl Watch for NoWatch {
    fn resting_until(&self, _server: &ServerName) -> Option<Timestamp> {
        None
    }

    fn answered(&self, _server: &ServerName) {}

    fn failed(&self, _server: &ServerName, _error: &ExchangeError) {}
}

/// There is no answer that could be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// There was no response.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The server answered with an error.
    #[error("{server} refused: {status} {errcode} {message}")]
    Refused {
        /// Who refused.
        server: ServerName,
        /// The HTTP status.
        status: u16,
        /// The Matrix error code, or `M_UNKNOWN`.
        errcode: String,
        /// Its words.
        message: String,
        /// The whole body.
        body: Value,
    },
    /// The server answered something that is not what the specification says.
    #[error("{server} answered nonsense: {reason}")]
    Garbage {
        /// Who.
        server: ServerName,
        /// What is wrong with it.
        reason: String,
    },
    /// The server has failed lately and is left in peace.
    #[error("{server} has not answered lately and is not asked before {until} ms")]
    Resting {
        /// Who.
        server: ServerName,
        /// Until when, in milliseconds since 1970.
        until: Timestamp,
    },
    /// We do not ask ourselves.
    #[error("a request to ourselves is a mistake")]
    Ourselves,
}

impl Client {
    /// Asks as `server_name`, signing with `key`.
    pub fn new(
        server_name: ServerName,
        key: Arc<SigningKey>,
        exchange: Arc<dyn Exchange>,
        watch: Arc<dyn Watch>,
    ) -> Self {
        Self { server_name, key, exchange, watch }
    }

    /// Our name.
    pub fn server_name(&self) -> &ServerName {
        &self.server_name
    }

    /// Asks `destination` and returns the body of its answer, which is JSON of any shape.
    pub async fn call(
        &self,
        destination: &ServerName,
        method: http::Method,
        path_and_query: String,
        body: Option<&Object>,
        limits: CallLimits,
    ) -> Result<Value, CallError> {
        let bytes = self.call_raw(destination, method, path_and_query, body, limits).await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| CallError::Garbage { server: destination.clone(), reason: error.to_string() })
    }

    /// Like [`Client::call`], without reading the answer's JSON.
    pub async fn call_raw(
        &self,
        destination: &ServerName,
        method: http::Method,
        path_and_query: String,
        body: Option<&Object>,
        limits: CallLimits,
    ) -> Result<Bytes, CallError> {
        if *destination == self.server_name {
            return Err(CallError::Ourselves);
        }
        if let Some(until) = self.watch.resting_until(destination) {
            return Err(CallError::Resting { server: destination.clone(), until });
        }
        let body = body.map(json::canonical);
        let signed =
            SignedRequest { method: method.as_str(), uri: &path_and_query, origin: &self.server_name, destination };
        let authorization = Some(signed.sign(body.as_deref(), &self.key));
        let request = Request {
            destination: destination.clone(),
            method,
            path_and_query,
            authorization,
            body: body.map(Bytes::from),
            timeout: limits.timeout,
            response_bytes_max: limits.response_bytes_max,
        };
        self.exchange(request).await
    }

    /// Asks without a signature, for what everybody may know: keys.
    pub async fn call_unsigned(
        &self,
        destination: &ServerName,
        path_and_query: String,
        limits: CallLimits,
    ) -> Result<Value, CallError> {
        let request = Request {
            destination: destination.clone(),
            method: http::Method::GET,
            path_and_query,
            authorization: None,
            body: None,
            timeout: limits.timeout,
            response_bytes_max: limits.response_bytes_max,
        };
        let bytes = self.exchange(request).await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| CallError::Garbage { server: destination.clone(), reason: error.to_string() })
    }

    async fn exchange(&self, request: Request) -> Result<Bytes, CallError> {
        let server = request.destination.clone();
        match self.exchange.send(request).await {
            Ok(response) => {
                self.watch.answered(&server);
                answer(server, response)
            }
            Err(error) => {
                self.watch.failed(&server, &error);
                Err(error.into())
            }
        }
    }
}

fn answer(server: ServerName, response: Response) -> Result<Bytes, CallError> {
    if response.status == 200 {
        return Ok(response.body);
    }
    let body: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
    let text = |key: &str, otherwise: &str| body.get(key).and_then(Value::as_str).unwrap_or(otherwise).to_owned();
    Err(CallError::Refused {
        server,
        status: response.status,
        errcode: text("errcode", "M_UNKNOWN"),
        message: text("error", "it gave no reason"),
        body,
    })
}
