//! Invites of somebody who was known by an e-mail address or the like. S2S API, "Third-party invites".

use super::event::Content;
use super::{AuthEvent, Rejection};
use crate::id::UserId;
use crate::json::{self, Value};
use crate::signature::PublicKey;

/// The token in `third_party_invite` of an invite.
pub(crate) fn token(invite: &Value) -> Option<&str> {
    invite.get("signed")?.get("token")?.as_str()
}

/// "If `content` has a `third_party_invite` property", but for the check that the target is not banned.
pub(super) fn check(
    event: &AuthEvent,
    target: &UserId,
    invite: &Value,
    original: Option<&AuthEvent>,
) -> Result<(), Rejection> {
    let lacks = |what: &str| Rejection::ThirdPartyInviteMalformed { what: what.to_owned() };
    let signed = invite.get("signed").ok_or_else(|| lacks("`signed`"))?;
    let mxid = signed.get("mxid").and_then(Value::as_str).ok_or_else(|| lacks("`mxid`"))?;
    let token = token(invite).ok_or_else(|| lacks("`token`"))?;
    if mxid != target.as_str() {
        return Err(Rejection::ThirdPartyInviteOfOtherUser { mxid: mxid.to_owned(), target: target.clone() });
    }
    let original = original.ok_or_else(|| Rejection::ThirdPartyInviteUnknown { token: token.to_owned() })?;
    let id = original.event_id();
    if original.sender() != event.sender() {
        return Err(Rejection::ThirdPartyInviteByOther { sender: event.sender().clone(), invite: id.clone() });
    }
    let keys: &[String] =
        if let Content::ThirdPartyInvite { public_keys } = original.content() { public_keys } else { &[] };
    if is_signed_by_any(signed, keys) {
        return Ok(());
    }
    Err(Rejection::ThirdPartyInviteNotSigned { invite: id.clone() })
}

/// Says whether any Ed25519 signature in `signed`, whoever claims to have made it, is by any of `keys`.
fn is_signed_by_any(signed: &Value, keys: &[String]) -> bool {
    let Some(signed) = signed.as_object() else { return false };
    let message = json::canonical_without(signed, &["signatures", "unsigned"]);
    let of_servers = signed.get("signatures").and_then(Value::as_object).into_iter().flatten();
    let signatures: Vec<&str> = of_servers
        .filter_map(|(_, of_server)| of_server.as_object())
        .flatten()
        .filter(|(key, _)| key.starts_with("ed25519:"))
        .filter_map(|(_, signature)| signature.as_str())
        .collect();
    let keys = keys.iter().filter_map(|key| PublicKey::from_base64(key).ok());
    keys.into_iter().any(|key| signatures.iter().any(|signature| key.verifies(message.as_bytes(), signature)))
}
