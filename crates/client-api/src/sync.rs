//! `GET /_matrix/client/v3/sync`. C-S API, "Syncing".

mod look;
mod token;

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use events::{Object, Value};
use messaging::filter::Filter;
use persistence::Position;
use persistence::transactions::to_device;

use crate::ClientApi;
use crate::error::ApiError;
use crate::request::{Authenticated, Query};

pub(crate) use look::changed_devices;
use look::{Asked, look};
pub(crate) use token::Token;

/// How long a sync may wait.
const TIMEOUT_MAX: Duration = Duration::from_secs(120);

/// Answers with what is new since the client's token, or waits until something is.
pub(crate) async fn sync(
    State(api): State<ClientApi>,
    who: Authenticated,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let since = query.get("since").map(Token::parse).transpose()?;
    let timeout = Duration::from_millis(query.number("timeout")?.unwrap_or(0)).min(TIMEOUT_MAX);
    check_presence(&query)?;
    let asked = Asked {
        since,
        filter: filter(&api, &who, &query).await?,
        full_state: query.flag("full_state")?,
        use_state_after: query.flag("use_state_after")?,
    };
    acknowledge(&api, &who, since).await?;
    let clock = api.messaging().handles().clock.clone();
    let deadline = clock.monotonic() + timeout;
    loop {
        // First the waiter, then the look: what comes after the look wakes the wait.
        let news = api.messaging().notifier().wait(&who.user);
        let found = look(&api, &who, &asked).await?;
        let left = deadline.saturating_sub(clock.monotonic());
        if !found.is_empty() || since.is_none() || asked.full_state || left.is_zero() {
            return Ok(Json(found.into_json(&asked)));
        }
        tokio::select! {
            biased;
            () = news.woken() => {}
            () = clock.sleep(left) => {}
        }
    }
}

/// Presence is not kept: every value that the specification names is taken, and changes nothing.
fn check_presence(query: &Query) -> Result<(), ApiError> {
    match query.get("set_presence") {
        None | Some("offline" | "online" | "unavailable") => Ok(()),
        Some(other) => Err(ApiError::invalid_param(format!("`set_presence` cannot be {other}"))),
    }
}

/// What the client has seen of its messages is not kept.
async fn acknowledge(api: &ClientApi, who: &Authenticated, since: Option<Token>) -> Result<(), ApiError> {
    let Some(since) = since.filter(|since| since.to_device > 0) else { return Ok(()) };
    let (user, device) = (who.user.clone(), who.device.clone());
    let position = Position(since.to_device);
    let database = api.messaging().database();
    let (reader, of) = (user.clone(), device.clone());
    if database.read(move |tx| to_device::has_any(tx, &reader, &of, position)).await? {
        database.write(move |tx| to_device::acknowledge(tx, &user, &device, position)).await?;
    }
    Ok(())
}

/// The filter that the client gives as JSON, or names by its id.
async fn filter(api: &ClientApi, who: &Authenticated, query: &Query) -> Result<Filter, ApiError> {
    let filter: Object = match query.get("filter") {
        Some(inline) if inline.starts_with('{') => serde_json::from_str(inline)
            .map_err(|error| ApiError::invalid_param(format!("`filter` is not JSON: {error}")))?,
        Some(id) => {
            let stored = api.users().filter(&who.user, id).await?;
            stored.ok_or_else(|| ApiError::invalid_param(format!("you have no filter {id}")))?
        }
        None => return Ok(Filter::default()),
    };
    Filter::parse(&filter).map_err(|error| ApiError::invalid_param(format!("`filter`: {error}")))
}
