//! Stands in for the client of `transport` until it is merged.

use std::sync::Arc;
use std::time::Duration;

use events::ServerName;
use serde_json::Value;
use transport::{Exchange, ExchangeError, Request};

/// Limits of one call.
#[derive(Debug, Clone, Copy)]
pub struct CallLimits {
    /// Time for the whole response.
    pub timeout: Duration,
    /// Bytes of it.
    pub response_bytes_max: usize,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No response.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// An error.
    #[error("{server} refused: {status} {errcode}: {error}")]
    Refused {
        /// Who.
        server: ServerName,
        /// HTTP.
        status: u16,
        /// Matrix.
        errcode: String,
        /// For people.
        error: String,
        /// All of it.
        body: Value,
    },
    /// No JSON.
    #[error("{0} answered with garbage")]
    Garbage(ServerName),
    /// Not asked.
    #[error("{0} is resting")]
    Resting(ServerName),
}

/// The client.
#[derive(Clone)]
pub struct Client(pub Arc<dyn Exchange>);

impl Client {
    /// Calls.
    pub async fn call(
        &self,
        destination: &ServerName,
        method: http::Method,
        path_and_query: String,
        body: Option<&Value>,
        limits: CallLimits,
    ) -> Result<Value, CallError> {
        let request = Request {
            destination: destination.clone(),
            method,
            path_and_query,
            authorization: None,
            body: body.map(|body| body.to_string().into_bytes().into()),
            timeout: limits.timeout,
            response_bytes_max: limits.response_bytes_max,
        };
        let response = self.0.send(request).await?;
        let body: Value =
            serde_json::from_slice(&response.body).map_err(|_| CallError::Garbage(destination.clone()))?;
        if response.status == 200 {
            return Ok(body);
        }
        Err(CallError::Refused {
            server: destination.clone(),
            status: response.status,
            errcode: body["errcode"].as_str().unwrap_or_default().to_owned(),
            error: body["error"].as_str().unwrap_or_default().to_owned(),
            body,
        })
    }
}
