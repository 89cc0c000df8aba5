//! How requests fare on their way.

use std::time::Duration;

use axum::body::Body;
use events::ServerName;
use handles::Random;
use http_body_util::BodyExt;
use transport::exchange::ExchangeError;

/// How likely each fault is, in thousandths, and how long ways are.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// The longest that a request, or its answer, usually takes on its way, in milliseconds.
    pub latency_max_ms: u64,
    /// Ways that take up to [`SLOW_MAX_MS`].
    pub slow: u64,
    /// Requests, or answers, that are lost.
    pub lost: u64,
    /// Requests that come twice.
    pub doubled: u64,
    /// Answers that are another: 500, garbage, half of it.
    pub broken: u64,
}

/// The longest way of all, in milliseconds: longer than some requests may take.
const SLOW_MAX_MS: u64 = 40_000;
const THOUSAND: u64 = 1_000;

impl Weather {
    /// Nothing goes wrong.
    pub const FAIR: Self = Self { latency_max_ms: 50, slow: 0, lost: 0, doubled: 0, broken: 0 };

    /// Draws how the next request fares.
    pub(super) fn draw(&self, random: &dyn Random) -> Luck {
        let way = || {
            let max = if random.below(THOUSAND) < self.slow { SLOW_MAX_MS } else { self.latency_max_ms };
            Duration::from_millis(random.below(max))
        };
        let (there, back) = (way(), way());
        let drawn = random.below(THOUSAND);
        let mischief = if drawn < self.lost {
            if random.below(2) == 0 { Mischief::LostThere } else { Mischief::LostBack }
        } else if drawn < self.lost + self.doubled {
            Mischief::Doubled
        } else if drawn < self.lost + self.doubled + self.broken {
            Mischief::Broken(match random.below(3) {
                0 => Broken::Error,
                1 => Broken::Garbage,
                _ => Broken::Half,
            })
        } else {
            Mischief::None
        };
        Luck { there, back, mischief }
    }
}

impl Default for Weather {
    fn default() -> Self {
        Self::FAIR
    }
}

/// How one request fares.
pub(super) struct Luck {
    pub(super) there: Duration,
    pub(super) back: Duration,
    pub(super) mischief: Mischief,
}

pub(super) enum Mischief {
    None,
    LostThere,
    LostBack,
    Doubled,
    Broken(Broken),
}

/// What an answer becomes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Broken {
    /// 500, after the server has done what it was asked.
    Error,
    /// 200 with what is no JSON.
    Garbage,
    /// The connection ends in the middle of the body.
    Half,
}

/// Lets an answer become another.
pub(super) async fn break_answer(
    answer: axum::response::Response,
    broken: Broken,
    from: &ServerName,
) -> Result<axum::response::Response, ExchangeError> {
    let (mut head, body) = answer.into_parts();
    let end = |reason: String| ExchangeError::Unreachable { server: from.clone(), reason };
    let whole = body.collect().await.map_err(|error| end(error.to_string()))?.to_bytes();
    let body = match broken {
        Broken::Error => {
            head.status = http::StatusCode::INTERNAL_SERVER_ERROR;
            Body::from("<h1>Internal Server Error</h1>")
        }
        Broken::Garbage => {
            head.status = http::StatusCode::OK;
            Body::from("\u{1f}\u{8b} no json")
        }
        Broken::Half => {
            let half = Ok(whole.slice(..whole.len() / 2));
            let cut = Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
            Body::from_stream(futures_util::stream::iter([half, cut]))
        }
    };
    Ok(axum::response::Response::from_parts(head, body))
}
