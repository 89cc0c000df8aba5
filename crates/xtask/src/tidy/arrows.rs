//! Which crate may depend on which. `ARCHITECTURE.md` draws the same.

use super::crates::Manifest;

/// Each crate of ours with those of ours that it may use. Whoever is not listed may be used by nobody.
const ARROWS: [(&str, &[&str]); 14] = [
    ("defects", &[]),
    ("events", &["defects"]),
    ("handles", &[]),
    ("persistence", &["events", "handles"]),
    ("transport", &["events", "handles", "persistence"]),
    ("transaction", &["defects", "events", "handles", "persistence", "transport"]),
    ("pdu", &["defects", "events", "handles", "persistence", "transport", "transaction"]),
    ("messaging", &["defects", "events", "handles", "persistence", "transport", "transaction", "pdu"]),
    ("users", &["events", "handles", "persistence", "transport", "transaction"]),
    ("media", &["events", "handles", "persistence", "transport", "transaction"]),
    ("client-api", &["events", "handles", "persistence", "messaging", "users", "media"]),
    ("second-opinion", &["events"]),
    (
        "simulation",
        &[
            "events",
            "handles",
            "persistence",
            "transport",
            "transaction",
            "pdu",
            "messaging",
            "users",
            "media",
            "second-opinion",
        ],
    ),
    (
        "althing",
        &[
            "events",
            "handles",
            "persistence",
            "transport",
            "transaction",
            "pdu",
            "messaging",
            "users",
            "media",
            "client-api",
        ],
    ),
];
/// Not part of the server: uses what it likes.
const TOOLS: [&str; 3] = ["fuzz", "load", "xtask"];

/// Returns a sentence for each arrow that points where it must not. Dev-dependencies are free: tests may look at everything.
pub(super) fn complaints(manifests: &[Manifest]) -> Vec<String> {
    let ours: Vec<&str> = manifests.iter().map(|manifest| manifest.name.as_str()).collect();
    let mut complaints = Vec::new();
    for Manifest { name, dependencies, .. } in manifests {
        if TOOLS.contains(&name.as_str()) {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(crate_name, _)| crate_name == name) else {
            complaints.push(format!(
                "the crate {name} has no place in the house: give it one in ARROWS of crates/xtask/src/tidy/arrows.rs and \
                 in ARCHITECTURE.md"
            ));
            continue;
        };
        for dependency in dependencies.iter().filter(|dependency| ours.contains(&dependency.as_str())) {
            if !allowed.contains(&dependency.as_str()) {
                complaints.push(format!(
                    "{name} must not depend on {dependency}: define a trait in {name} that {dependency} implements, or \
                     move what is needed down"
                ));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_point_down() {
        let pdu = Manifest::for_test("pdu", &["defects", "events", "transaction", "tokio"]);
        let messaging = Manifest::for_test("messaging", &["pdu"]);
        let below = ["events", "transaction"].map(|name| Manifest::for_test(name, &[]));
        assert_eq!(complaints(&[below.to_vec(), vec![pdu, messaging]].concat()), [""; 0]);
    }

    #[test]
    fn an_arrow_upwards_is_named() {
        let house = [Manifest::for_test("pdu", &["messaging"]), Manifest::for_test("messaging", &[])];
        let found = complaints(&house);
        assert!(found.len() == 1 && found[0].starts_with("pdu must not depend on messaging"), "{found:?}");
    }

    #[test]
    fn the_client_api_sees_nothing_below_messaging() {
        for below in ["pdu", "transaction", "transport"] {
            let house = [Manifest::for_test("client-api", &[below]), Manifest::for_test(below, &[])];
            assert_eq!(complaints(&house).len(), 1, "{below}");
        }
    }

    #[test]
    fn a_crate_without_a_place_is_named() {
        assert!(complaints(&[Manifest::for_test("helpers", &[])])[0].contains("no place in the house"));
    }

    #[test]
    fn no_circle_is_allowed() {
        for (at, (name, allowed)) in ARROWS.iter().enumerate() {
            for dependency in *allowed {
                assert!(ARROWS[..at].iter().any(|(below, _)| below == dependency), "{name} before {dependency}");
            }
        }
    }
}
