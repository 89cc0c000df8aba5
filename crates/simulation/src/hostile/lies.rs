//! Answers that are not what an honest server gives.

use std::sync::Arc;

use bytes::Bytes;
use events::Value;
use handles::Random;
use serde_json::json;

use crate::Tamper;

/// Questions about single events and about history. Others know the answers, too.
const QUESTIONS: [&str; 4] = ["/event/", "/get_missing_events/", "/backfill/", "/event_auth/"];
/// Where events are in the answers.
const LISTS: [&str; 3] = ["pdus", "events", "auth_chain"];

/// Alters every second answer to such a question: what is in it is left out, is another, comes twice, or is no event at all.
pub(crate) fn liar(random: Arc<dyn Random>) -> Tamper {
    Arc::new(move |path, honest| {
        if random.below(2) == 0 || !QUESTIONS.iter().any(|question| path.contains(question)) {
            return honest;
        }
        let Ok(mut answer) = serde_json::from_slice::<Value>(&honest) else { return honest };
        for list in LISTS {
            if let Some(events) = answer.get_mut(list).and_then(Value::as_array_mut) {
                alter(&*random, events);
            }
        }
        Bytes::from(answer.to_string())
    })
}

fn alter(random: &dyn Random, events: &mut Vec<Value>) {
    let at = usize::try_from(random.below((events.len() as u64).max(1))).unwrap_or(0);
    let Some(event) = events.get_mut(at) else { return };
    match random.below(5) {
        0 => drop(events.remove(at)),
        1 => event["content"] = json!({ "body": "censored", "membership": "ban" }),
        2 => event["sender"] = json!("@nobody:nowhere.test"),
        3 => *event = json!(["no", "event"]),
        _ => {
            let again = event.clone();
            events.push(again);
        }
    }
}
