//! Which requests of a user count against which limit, and whose address a request comes from. C-S API, "Rate limiting".

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, MatchedPath};
use http::request::Parts;
use http::{HeaderMap, Method};
use ipnet::IpNet;
use users::rate_limits::Limit;

/// Addresses of one `X-Forwarded-For` that are looked at, from the nearest on.
const PROXIES_MAX: usize = 20;

/// Returns the limit that a request counts against, if it is limited per user.
pub(crate) fn limit_of(parts: &Parts) -> Option<Limit> {
    let path = parts.extensions.get::<MatchedPath>()?.as_str();
    let (is_put, is_post) = (parts.method == Method::PUT, parts.method == Method::POST);
    if is_post && (path.starts_with("/_matrix/media/v3/upload") || path.starts_with("/_matrix/media/v1/create")) {
        return Some(Limit::Uploads);
    }
    match path.strip_prefix("/_matrix/client/v3/")? {
        "createRoom" if is_post => Some(Limit::RoomCreations),
        "join/{room}" | "rooms/{room}/join" | "knock/{room}" if is_post => Some(Limit::Joins),
        "rooms/{room_id}/invite" if is_post => Some(Limit::Invites),
        "rooms/{room_id}/send/{type}/{txn_id}"
        | "rooms/{room_id}/redact/{event_id}/{txn_id}"
        | "rooms/{room_id}/state/{type}"
        | "rooms/{room_id}/state/{type}/"
        | "rooms/{room_id}/state/{type}/{state_key}"
            if is_put =>
        {
            Some(Limit::Messages)
        }
        "keys/claim" if is_post => Some(Limit::KeyClaims),
        "profile/{user_id}/{field}" if is_put || parts.method == Method::DELETE => Some(Limit::ProfileChanges),
        _ => None,
    }
}

/// Returns the address that a request comes from, behind those proxies that are trusted.
pub(crate) fn address_of(parts: &Parts, trusted: &[IpNet]) -> Option<IpAddr> {
    let ConnectInfo(peer) = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
    Some(behind_proxies(peer.ip(), &parts.headers, trusted))
}

/// Each proxy adds the address that it was reached from at the end. What stands before the first address that is not trusted
/// was written by somebody who need not tell the truth.
fn behind_proxies(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(&address.to_canonical()));
    let lines = headers.get_all("x-forwarded-for").iter().rev().filter_map(|line| line.to_str().ok());
    let mut said = lines.flat_map(|line| line.rsplit(',')).map(|text| parse_address(text.trim())).take(PROXIES_MAX);
    let mut address = peer;
    while is_trusted(address) {
        match said.next() {
            Some(Some(next)) => address = next,
            Some(None) | None => break,
        }
    }
    address
}

/// Some proxies add the port.
fn parse_address(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted: Vec<IpNet> = ["127.0.0.0/8", "10.0.0.0/8", "::1/128"].map(|range| range.parse().unwrap()).to_vec();
        for (peer, lines, expected) in [
            ("127.0.0.1", &[][..], "127.0.0.1"),
            ("127.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            ("::ffff:127.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            ("::1", &["2001:db8::1"], "2001:db8::1"),
            ("127.0.0.1", &["192.0.2.1:4711"], "192.0.2.1"),
            ("127.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("127.0.0.1", &["198.51.100.9, 192.0.2.1"], "192.0.2.1"),
            ("127.0.0.1", &["198.51.100.9, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            ("127.0.0.1", &["198.51.100.9", "192.0.2.1"], "192.0.2.1"),
            ("127.0.0.1", &["192.0.2.1, nonsense"], "127.0.0.1"),
            ("127.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("192.0.2.7", &["198.51.100.9"], "192.0.2.7"),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", HeaderValue::from_str(line).unwrap());
            }
            let address = behind_proxies(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(address, expected.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
        }
    }
}
