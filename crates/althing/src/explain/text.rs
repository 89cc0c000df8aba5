//! An explanation in words.

use std::time::{Duration, UNIX_EPOCH};

use events::EventId;
use events::state_resolution::{Candidate, Decision, Outcome};
use pdu::Step;
use pdu::explain::{
    Check, Condition, Described, Entry, Explanation, Forks, Named, Sent, Signature, SignatureResult, StateBefore,
    StoredVerdict, Waiting,
};

/// Characters of a content that are shown.
const CONTENT_CHARS_MAX: usize = 400;

/// The lines to print.
pub(super) fn lines(explanation: &Explanation) -> Vec<String> {
    let mut lines = vec![
        format!("Event {}", explanation.event_id),
        format!("  in the room {}, version {}", explanation.room_id, explanation.room_version),
        format!("  {}", condition(explanation)),
    ];
    lines.extend(explanation.waiting.iter().map(waiting));
    if let Some(event) = &explanation.event {
        lines.extend(described(event));
    }
    if let Some(stored) = &explanation.verdict {
        lines.extend(verdict(stored, explanation));
    }
    if !explanation.checks.is_empty() {
        lines.push("Checked again now:".to_owned());
        lines.extend(explanation.checks.iter().flat_map(check));
        lines.extend(disagreement(explanation));
    }
    if let Some(before) = &explanation.state_before {
        lines.extend(state_before(before, explanation));
    }
    lines.extend(explanation.forks.iter().flat_map(forks));
    if !explanation.sent.is_empty() {
        lines.push("Sent to:".to_owned());
        lines.extend(explanation.sent.iter().map(sent));
    }
    lines
}

fn condition(explanation: &Explanation) -> String {
    match (explanation.condition, &explanation.place) {
        (Condition::Placed, Some(place)) => match place.arrival {
            Some(arrival) => format!("arrived as number {arrival} of this server's events"),
            None => "was fetched as history: no client was told of it as of something new".to_owned(),
        },
        (Condition::Placed, None) | (Condition::Outlier, _) => {
            "is an outlier: stored for the permission it gives to others, shown to nobody".to_owned()
        }
        (Condition::Staged, _) => "waits until what it refers to is here".to_owned(),
        (Condition::WaitsForKeys, _) => "waits until the keys are here with which it was signed".to_owned(),
        (Condition::OnlyNamed, _) => "is not here: other events refer to it".to_owned(),
    }
}

fn waiting(waiting: &Waiting) -> String {
    format!(
        "  came from {} at {}, was tried {} times, is tried again at {}",
        waiting.from,
        time(waiting.since),
        waiting.attempts,
        time(waiting.retry_at)
    )
}

fn described(event: &Described) -> Vec<String> {
    let state_key = event.state_key.as_ref().map(|key| format!(" {key:?}")).unwrap_or_default();
    let content = serde_json::to_string(&event.content).unwrap_or_default();
    let mut lines = vec![
        format!("  {}{state_key} of {}", event.event_type, event.sender),
        format!("  made at {} (says its server), depth {}", time(event.origin_server_ts), event.depth),
        format!("  content: {}", shortened(&content)),
    ];
    if !event.content_hash_matches {
        lines.push("  its content is not what its hash says: it was taken redacted".to_owned());
    }
    lines.extend(event.redacted_by.iter().map(|redaction| format!("  redacted by {redaction}")));
    lines.extend(event.redacts.iter().map(|redacts| {
        let acts = if redacts.acts { "and does" } else { "without effect" };
        format!("  is to redact {}, {acts}", redacts.event)
    }));
    lines.push("Signatures:".to_owned());
    lines.extend(event.signatures.iter().map(signature));
    lines.push("Builds on (prev_events):".to_owned());
    lines.extend(event.prev_events.iter().map(named));
    lines.push("Cites (auth_events):".to_owned());
    lines.extend(event.auth_events.iter().map(named));
    lines
}

fn signature(signature: &Signature) -> String {
    let result = match signature.result {
        SignatureResult::Right => "right",
        SignatureResult::Wrong => "WRONG",
        SignatureResult::KeyUnknown => "cannot be checked again: the key is not kept here",
    };
    let needed = if signature.needed { "" } else { " (not needed)" };
    let until = match signature.key_valid_until {
        Some(i64::MAX) => ", a key of this server in use".to_owned(),
        Some(until) => format!(", a key valid until {}", time(until)),
        None => String::new(),
    };
    format!("  {} {}: {result}{needed}{until}", signature.server, signature.key_id)
}

fn named(named: &Named) -> String {
    format!("  {} ({})", named.event_id, named.known_as.replace('_', " "))
}

fn verdict(verdict: &StoredVerdict, explanation: &Explanation) -> Vec<String> {
    let from = match (&verdict.origin, explanation.condition) {
        (Some(origin), _) => format!("it came from {origin}"),
        (None, Condition::Placed) => "it was made here".to_owned(),
        (None, _) => "it came with the state of the room".to_owned(),
    };
    let mut lines =
        vec![format!("Verdict: {}, at {}; {from}", verdict.outcome.replace('_', " "), time(verdict.decided_at))];
    lines.extend(verdict.reason.iter().map(|reason| format!("  refused {}: {reason}", step(verdict.step))));
    lines
}

fn step(step: Step) -> &'static str {
    match step {
        Step::AuthEvents => "by the events that it cites (step 4)",
        Step::StateBefore => "by the state before it (step 5)",
        Step::CurrentState => "by what was the current state when it came (step 6)",
        Step::Passed => "in no step",
    }
}

fn check(check: &Check) -> Vec<String> {
    let result = check.refused.as_ref().map_or("allowed".to_owned(), |reason| format!("refused: {reason}"));
    let mut lines = vec![format!("  {}: {result}", step(check.step))];
    lines.extend(check.by.iter().map(|entry| format!("    looked at {}", self::entry(entry))));
    lines
}

/// What a verdict and the checks done again may differ in, said aloud.
fn disagreement(explanation: &Explanation) -> Option<String> {
    let stored = explanation.verdict.as_ref()?;
    let again = explanation.checks.iter().find(|check| check.refused.is_some());
    match (stored.outcome, again) {
        ("rejected", None) => {
            Some("  That differs from the verdict: what was known then is not all here now.".to_owned())
        }
        ("accepted" | "soft_failed", Some(_)) => Some("  That differs from the verdict.".to_owned()),
        _ => None,
    }
}

fn entry(entry: &Entry) -> String {
    format!("{} {:?}: {} of {}", entry.event_type, entry.state_key, entry.event_id, entry.sender)
}

fn state_before(before: &StateBefore, explanation: &Explanation) -> Vec<String> {
    let mut lines = vec![format!("State before it: {} entries", before.size)];
    lines.extend(before.entries.iter().flatten().map(|entry| format!("  {}", self::entry(entry))));
    match &explanation.change {
        Some(change) => lines.push(match &change.replaced {
            Some(replaced) if *replaced == explanation.event_id => "State after it: the same".to_owned(),
            Some(replaced) => format!("State after it: it takes the place of {replaced}"),
            None => "State after it: one more entry, itself".to_owned(),
        }),
        None => lines.push("State after it: the same".to_owned()),
    }
    lines
}

fn forks(forks: &Forks) -> Vec<String> {
    let mut lines =
        vec!["The states after these parents differ. Resolved again now, by what is known of them:".to_owned()];
    lines.extend(forks.parents.iter().enumerate().map(|(at, parent)| format!("  {}. {parent}", at + 1)));
    lines.extend(forks.untold.iter().map(|reason| format!("  how, cannot be told again: {reason}")));
    lines.extend(forks.decisions.iter().flat_map(decision));
    lines
}

fn decision(decision: &Decision) -> Vec<String> {
    let mut lines = vec![format!("  {} {:?}:", decision.event_type, decision.state_key)];
    lines.extend(decision.candidates.iter().map(candidate));
    let is_candidate = |winner: &EventId| decision.candidates.iter().any(|candidate| candidate.event == *winner);
    match &decision.winner {
        Some(winner) if !is_candidate(winner) => lines.push(format!("    so {winner} holds again")),
        Some(_) => {}
        None => lines.push("    so none holds".to_owned()),
    }
    lines
}

fn candidate(candidate: &Candidate) -> String {
    let states: Vec<String> = candidate.states.iter().map(|at| (at + 1).to_string()).collect();
    let outcome = match &candidate.outcome {
        Outcome::Won => "won".to_owned(),
        Outcome::Overridden { by } => format!("passed, but {by} came later in the order of the room version"),
        Outcome::Refused { rejection } => format!("refused: {rejection}"),
        Outcome::RejectedBefore => "had been rejected when it came".to_owned(),
    };
    format!("    {} (after {}): {outcome}", candidate.event, states.join(", "))
}

fn sent(sent: &Sent) -> String {
    match (sent.delivered_at, &sent.refused) {
        (None, _) => format!("  {}: waits, it has not taken it yet", sent.destination),
        (Some(at), None) => format!("  {}: took it at {}", sent.destination, time(at)),
        (Some(at), Some(reason)) => {
            format!("  {}: does not accept it, said at {}: {reason}", sent.destination, time(at))
        }
    }
}

fn shortened(text: &str) -> String {
    let shown: String = text.chars().take(CONTENT_CHARS_MAX).collect();
    if shown.len() < text.len() { shown + " …" } else { shown }
}

/// A time as people write it; what no clock shows, as a number.
fn time(milliseconds: i64) -> String {
    let since = u64::try_from(milliseconds).map(Duration::from_millis);
    match since.ok().and_then(|since| UNIX_EPOCH.checked_add(since)) {
        Some(time) if milliseconds < YEAR_9999 => httpdate::fmt_http_date(time),
        Some(_) | None => format!("{milliseconds} ms"),
    }
}

/// The last time that has a year of four digits, in milliseconds since 1970.
const YEAR_9999: i64 = 253_402_300_799_000;
