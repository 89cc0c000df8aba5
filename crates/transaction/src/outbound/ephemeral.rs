//! EDUs that are worth nothing later: in memory only, the newest for each key.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::json;
use transport::questions::Edu;

use super::limits::EPHEMERAL_MAX;

/// An EDU as it is sent, shared between destinations.
#[derive(Debug, Clone)]
pub(super) struct EphemeralEdu {
    key: Arc<str>,
    json: Arc<str>,
}

impl EphemeralEdu {
    pub(super) fn new(edu: &Edu, key: &str) -> Self {
        let json = json!({ "edu_type": edu.edu_type, "content": edu.content }).to_string();
        Self { key: key.into(), json: json.into() }
    }

    /// The EDU as JSON.
    pub(super) fn json(&self) -> &str {
        &self.json
    }
}

/// The ephemeral EDUs that wait for one destination, at most [`EPHEMERAL_MAX`]; the oldest go when there are more.
#[derive(Debug, Default)]
pub(super) struct EphemeralEdus(VecDeque<EphemeralEdu>);

impl EphemeralEdus {
    pub(super) fn put(&mut self, edu: EphemeralEdu) {
        self.0.retain(|waiting| waiting.key != edu.key);
        if self.0.len() == EPHEMERAL_MAX {
            self.0.pop_front();
        }
        self.0.push_back(edu);
    }

    /// Returns all of them and leaves none.
    pub(super) fn take(&mut self) -> Vec<EphemeralEdu> {
        std::mem::take(&mut self.0).into()
    }

    /// Puts back what was taken and not sent, unless something newer has come.
    pub(super) fn put_back(&mut self, edus: Vec<EphemeralEdu>) {
        for edu in edus.into_iter().rev() {
            if self.0.len() < EPHEMERAL_MAX && !self.0.iter().any(|waiting| waiting.key == edu.key) {
                self.0.push_front(edu);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
