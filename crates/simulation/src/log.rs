//! What the servers log, as lines of the trace: each beside what happened then.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Metadata, Span, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

use crate::Network;

/// The span that all is in which a server does.
const SERVER: &str = "simulated server";

/// The span of a server.
pub(crate) fn span_of(server: &str) -> Span {
    tracing::info_span!("simulated server", name = server)
}

/// Has all that this thread logs from here on noted in the trace of `network`, until what is returned is dropped.
pub(crate) fn into_trace(network: &Network) -> tracing::subscriber::DefaultGuard {
    tracing_subscriber::registry().with(IntoTrace(network.clone())).set_default()
}

struct IntoTrace(Network);

/// The name of a server, kept with its span.
struct Name(String);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for IntoTrace {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.is_span() || *metadata.level() <= Level::INFO
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().name() != SERVER {
            return;
        }
        let mut name = Said::default();
        attributes.record(&mut name);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Name(name.0));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let mut spans = context.event_scope(event).into_iter().flatten();
        let server = spans.find_map(|span| span.extensions().get::<Name>().map(|name| name.0.clone()));
        self.0.note(&server.unwrap_or_else(|| "nobody".to_owned()), &format!("says: {}", said.0));
    }
}

/// The words of an event, or the name of a server.
#[derive(Default)]
struct Said(String);

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if matches!(field.name(), "message" | "name") {
            self.0 = value.to_owned();
        }
    }
}
