//! An explanation in words.

use events::state_resolution::{Candidate, Decision, Outcome};
use events::{EventId, ServerName};
use pdu::explain::{
    Check, Condition, ContentHash, Described, Entry, Explanation, Forks, Ground, Named, Sent, Signature,
    SignatureResult, StateBefore, StoredVerdict, Waiting,
};
use pdu::{Step, Tellers};

use crate::dates::time;
use crate::terminal::harmless;

/// Characters of a content that are shown.
const CONTENT_CHARS_MAX: usize = 400;

/// The lines to print. What others made up cannot steer the terminal.
pub(super) fn lines(explanation: &Explanation) -> Vec<String> {
    raw_lines(explanation).iter().map(|line| harmless(line)).collect()
}

fn raw_lines(explanation: &Explanation) -> Vec<String> {
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
    lines.push(match event.content_hash {
        ContentHash::Right => "  its content is what its hash says".to_owned(),
        ContentHash::WrongWhenItCame => "  its content was not what its hash says: it was taken redacted".to_owned(),
        ContentHash::WrongNow => {
            "  its content is NOT what its hash says, though it was when it came: the database is damaged".to_owned()
        }
    });
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
        SignatureResult::KeyEnded => "right, but the event was made after the END of the key",
        SignatureResult::Wrong => "WRONG",
        SignatureResult::KeyUnknown => "cannot be checked again: the key is not kept here",
        SignatureResult::Missing => return format!("  {}: MISSING, though the event needs it", signature.server),
    };
    let needed = if signature.needed { "" } else { " (not needed)" };
    let until = match signature.key_valid_until {
        Some(i64::MAX) => ", a key of this server in use".to_owned(),
        Some(until) => format!(", a key valid until {}", time(until)),
        None => String::new(),
    };
    let key_id = signature.key_id.as_deref().unwrap_or_default();
    format!("  {} {key_id}: {result}{needed}{until}", signature.server)
}

fn told_by(tellers: &Tellers) -> String {
    let servers = tellers.servers.iter().map(ServerName::as_str).collect::<Vec<_>>().join(" and ");
    match (tellers.servers.len(), tellers.differed) {
        (1, _) => format!("  the state before it was told by {servers} alone"),
        (_, false) => format!("  the state before it was told by {servers}, alike"),
        (_, true) => format!("  {servers} told different states before it, which were resolved like those of forks"),
    }
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
    if verdict.provisional {
        lines
            .push("  provisional: not all of the room's state was known; when it is, this is decided again".to_owned());
    }
    if !verdict.resolved_from.is_empty() {
        lines.push("  the states after these were resolved for it:".to_owned());
        lines.extend(verdict.resolved_from.iter().map(|parent| format!("    {parent}")));
    }
    lines.extend(verdict.state_told_by.iter().map(told_by));
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
    let result = match (&check.refused, &check.untold) {
        (Some(reason), _) => format!("refused: {reason}"),
        (None, Some(reason)) => format!("cannot be told: {reason}"),
        (None, None) => "allowed".to_owned(),
    };
    let mut lines = vec![format!("  {}: {result}", step(check.step))];
    lines.extend(check.by.iter().map(|entry| format!("    looked at {}", self::entry(entry))));
    lines
}

/// How the verdict and the checks done again go together, where that is not plain.
fn disagreement(explanation: &Explanation) -> Option<String> {
    let stored = explanation.verdict.as_ref()?;
    let line = match (explanation.agrees, stored.step) {
        (Some(true), Step::CurrentState) => "  Step 6, which decided, cannot be done again: that state is not kept.",
        (Some(true), _) => return None,
        (Some(false), _) => "  That differs from the verdict: what was known then is not what is known now.",
        (None, _) => "  Whether that is the verdict cannot be told.",
    };
    Some(line.to_owned())
}

fn entry(entry: &Entry) -> String {
    format!("{} {:?}: {} of {}", entry.event_type, entry.state_key, entry.event_id, entry.sender)
}

fn state_before(before: &StateBefore, explanation: &Explanation) -> Vec<String> {
    let ground = match before.ground {
        Ground::Parents => "the state after what it builds on",
        Ground::Forks => "the states after what it builds on, resolved (below)",
        Ground::Elsewhere => "not what it builds on gives now: not all of that is known, or another server told it",
    };
    let mut lines = vec![format!("State before it: {} entries, {ground}", before.size)];
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
    let heading = match forks.parents.as_slice() {
        [] | [_] => "Of its parents not all states are known:",
        _ => "It joins forks. The states after its parents, resolved again now, by what is known of them:",
    };
    let mut lines = vec![heading.to_owned()];
    lines.extend(forks.parents.iter().enumerate().map(|(at, parents)| format!("  {}. {}", at + 1, listed(parents))));
    if !forks.left_out.is_empty() {
        let left_out = listed(&forks.left_out);
        lines.push(format!("  left out, as the states after them are not known here or are too many: {left_out}"));
    }
    lines.extend(forks.untold.iter().map(|reason| format!("  how, cannot be told again: {reason}")));
    lines.extend(forks.decisions.iter().flat_map(decision));
    lines
}

fn listed(events: &[EventId]) -> String {
    events.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
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
    let Candidate { event, sender, origin_server_ts, .. } = candidate;
    format!("    {event} of {sender}, {} (after {}): {outcome}", time(*origin_server_ts), states.join(", "))
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
