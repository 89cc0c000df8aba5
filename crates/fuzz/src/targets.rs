//! What is fed.

mod answers;
mod clients;
mod federation;
mod text;
mod world;

use std::io;

use crate::corpus;

/// Something that takes what strangers send.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// Does with an input what a server does. Panics if that shows a defect.
    pub run: fn(&[u8]),
    /// Examples beside its corpus: what servers really say to each other.
    examples: fn() -> Vec<Vec<u8>>,
}

impl Target {
    /// A target without other examples than its corpus.
    pub const fn new(name: &'static str, run: fn(&[u8])) -> Self {
        Self { name, run, examples: Vec::new }
    }

    /// Examples of what it takes.
    ///
    /// # Errors
    ///
    /// Its corpus cannot be read.
    pub fn examples(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut examples = corpus::read(self.name)?;
        examples.extend((self.examples)());
        Ok(examples)
    }
}

/// All of them, those that take no server first.
pub fn all() -> Vec<Target> {
    vec![
        Target::new("event", text::event),
        Target::new("canonical_json", text::canonical_json),
        Target::new("x_matrix", text::x_matrix),
        Target::new("identifier", text::identifier),
        Target::new("well_known", text::well_known),
        Target::new("federation_request", federation::request),
        Target { name: "signed_event", run: federation::signed_event, examples: federation::events },
        Target { name: "answer", run: answers::answer, examples: answers::honest },
        Target::new("client_request", clients::request),
    ]
}
