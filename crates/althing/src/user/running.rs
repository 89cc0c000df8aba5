//! A new account, made by the running server: Synapse's registration with a shared secret.

use axum::http::Method;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;
use users::accounts::Role;

use crate::config::Config;
use crate::http::{self, HttpError};

const PATH: &str = "/_synapse/admin/v1/register";

/// The running server did not make the account.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunningError {
    #[error(
        "a server runs on {data_dir}, and this command cannot ask it: stop it first, or set registration.shared_secret and \
         start it again"
    )]
    NoSecret { data_dir: String },
    #[error("a server runs on the folder of data but cannot be asked: {0}")]
    Http(#[from] HttpError),
    #[error("the running server refused: {status} {body}")]
    Refused { status: u16, body: Value },
}

/// Asks the server on our own client port for an account, and returns its user id.
pub(super) async fn create(config: &Config, name: &str, password: &str, role: Role) -> Result<String, RunningError> {
    let no_secret = || RunningError::NoSecret { data_dir: config.data_dir.display().to_string() };
    let secret = config.registration.shared_secret.as_ref().ok_or_else(no_secret)?;
    let address = *config.client.listen.first().ok_or_else(no_secret)?;
    let offer = accepted(http::ask(address, Method::GET, PATH, None).await?)?;
    let nonce = offer.get("nonce").and_then(Value::as_str).unwrap_or_default();
    let request = json!({
        "nonce": nonce,
        "username": name,
        "password": password,
        "admin": role == Role::Admin,
        "mac": mac(secret.expose(), nonce, name, password, role),
        "inhibit_login": true,
    });
    let account = accepted(http::ask(address, Method::POST, PATH, Some(&request)).await?)?;
    Ok(account.get("user_id").and_then(Value::as_str).unwrap_or_default().to_owned())
}

fn accepted((status, body): (u16, Value)) -> Result<Value, RunningError> {
    if status == 200 { Ok(body) } else { Err(RunningError::Refused { status, body }) }
}

/// HMAC-SHA1 over nonce, name, password and role, with NUL between them, in hexadecimal.
fn mac(secret: &str, nonce: &str, name: &str, password: &str, role: Role) -> String {
    let role = match role {
        Role::Admin => "admin",
        Role::User => "notadmin",
    };
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("a key of any length will do");
    mac.update([nonce, name, password, role].join("\0").as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_is_that_of_python() {
        // hmac.new(b"secret", b"nonce\0alice\0wonderland\0admin", hashlib.sha1).hexdigest()
        let expected = "186ac640bbc4921265a969fe17879e44815ed129";
        assert_eq!(mac("secret", "nonce", "alice", "wonderland", Role::Admin), expected);
    }
}
