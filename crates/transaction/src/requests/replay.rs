//! What servers of our kind tell each other again. An extension of ours: whoever is of another kind is not asked.

use events::ServerName;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use transport::limits::{TRANSACTION_EDUS_MAX, TRANSACTION_PDUS_MAX};
use transport::path::PathBuilder;
use transport::questions::{DeliveredAfter, Edu};

use super::{LONG_LIMITS, QUICK_LIMITS, Question, RequestError, Requests};

/// A page of what a server sent us before: no more than a transaction may have.
#[derive(Debug, Clone)]
pub struct DeliveredPage {
    /// Nothing is checked about these.
    pub pdus: Vec<Box<RawValue>>,
    /// Objects with an `edu_type` and a `content`; others are left out.
    pub edus: Vec<Edu>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<i64>,
    /// Whether the server still knows everything that came after where we asked it to begin.
    pub complete: bool,
}

#[derive(Deserialize)]
struct PageAnswer {
    pdus: Vec<Box<RawValue>>,
    edus: Vec<Value>,
    next: Option<i64>,
    complete: bool,
}

#[derive(Deserialize)]
struct VersionAnswer {
    server: Option<Software>,
}

#[derive(Deserialize)]
struct Software {
    name: Option<String>,
}

impl Requests {
    /// `GET /version`: the name of the software that a server runs, if it says so.
    pub async fn software(&self, server: &ServerName) -> Result<Option<String>, RequestError> {
        let path = "/_matrix/federation/v1/version".to_owned();
        let answer: VersionAnswer = self.ask(server, Question::get(path, QUICK_LIMITS)).await?;
        Ok(answer.server.and_then(|software| software.name))
    }

    /// What `server` sent us after a position of its stream to us.
    pub async fn delivered_after(
        &self,
        server: &ServerName,
        after: &DeliveredAfter,
    ) -> Result<DeliveredPage, RequestError> {
        let path = PathBuilder::new("/_matrix/federation/unstable/org.althing.delivered");
        let path = match after {
            DeliveredAfter::Transaction(id) => path.query("after", id),
            DeliveredAfter::Number(number) => path.query("from", number.to_string()),
        };
        let mut answer: PageAnswer = self.ask(server, Question::get(path.finish(), LONG_LIMITS)).await?;
        // A server of our kind gives no more; whoever does would have us check it all.
        answer.pdus.truncate(TRANSACTION_PDUS_MAX);
        answer.edus.truncate(TRANSACTION_EDUS_MAX);
        let edu = |mut edu: Value| {
            let content = edu.get_mut("content")?.take();
            Some(Edu { edu_type: edu.get("edu_type")?.as_str()?.to_owned(), content })
        };
        let edus = answer.edus.into_iter().filter_map(edu).collect();
        Ok(DeliveredPage { pdus: answer.pdus, edus, next: answer.next, complete: answer.complete })
    }
}
