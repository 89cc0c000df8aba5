//! Answers that are not what an honest server gives.

use std::sync::Arc;

use bytes::Bytes;
use events::Value;
use handles::Random;
use serde_json::json;

use crate::Tamper;

/// Questions about single events and about history. Others know the answers, too.
const QUESTIONS: [&str; 4] = ["/event/", "/get_missing_events/", "/backfill/", "/event_auth/"];
/// Questions about a state. What is left out of such an answer nobody could miss, so nothing is.
const STATES: [&str; 2] = ["/send_join/", "/state/"];
/// Where events are in the answers.
const LISTS: [&str; 4] = ["pdus", "events", "auth_chain", "state"];

/// Alters every second answer to such a question: what is in it is left out, is another, comes twice, or is no event at all.
pub(crate) fn liar(random: Arc<dyn Random>) -> Tamper {
    Arc::new(move |path, honest| {
        let asks = |questions: &[&str]| questions.iter().any(|question| path.contains(question));
        let kinds = if asks(&QUESTIONS) { 5 } else { 4 };
        if random.below(2) == 0 || !(asks(&QUESTIONS) || asks(&STATES)) {
            return honest;
        }
        let Ok(mut answer) = serde_json::from_slice::<Value>(&honest) else { return honest };
        for list in LISTS {
            if let Some(events) = answer.get_mut(list).and_then(Value::as_array_mut) {
                alter(&*random, events, kinds);
            }
        }
        Bytes::from(answer.to_string())
    })
}

/// Alters one of `events` in one of the first `kinds` ways.
fn alter(random: &dyn Random, events: &mut Vec<Value>, kinds: u64) {
    let at = usize::try_from(random.below((events.len() as u64).max(1))).unwrap_or(0);
    let Some(event) = events.get_mut(at) else { return };
    match random.below(kinds) {
        0 => event["content"] = json!({ "body": "censored", "membership": "ban" }),
        1 => event["sender"] = json!("@nobody:nowhere.test"),
        2 => *event = json!(["no", "event"]),
        3 => {
            let again = event.clone();
            events.push(again);
        }
        _ => drop(events.remove(at)),
    }
}
