//! Events for the journal: each value as a field for queries, and all of them in the message too.
//!
//! `journalctl` shows the message and hides the fields, so a message without its values would tell
//! an operator that a session ended, but not whose.

use std::fmt::{Debug, Write};
use std::io;

use tracing::field::{Field, Value, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// Fields of one event; the most that one of ours has is nine.
const FIELDS_MAX: usize = 32;

/// The journal's socket, with whole lines as messages.
pub(super) struct Journal(tracing_journald::Layer);

impl Journal {
    /// # Errors
    /// No journal listens on this machine.
    pub(super) fn open() -> io::Result<Self> {
        tracing_journald::layer().map(Self)
    }
}

impl<S> Layer<S> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        self.0.on_new_span(attributes, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.0.on_record(id, values, context);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let fields = event.metadata().fields();
        let (Some(message), Some(any)) = (fields.field("message"), fields.iter().next()) else {
            return self.0.on_event(event, context);
        };
        let mut line = Line::default();
        event.record(&mut line);
        // Whoever logs more fields than fit still has them in the message.
        let mut values: [(&Field, Option<&dyn Value>); FIELDS_MAX] = [(&any, None); FIELDS_MAX];
        values[0] = (&message, Some(&line.text));
        for (place, (field, value)) in values[1..].iter_mut().zip(&line.values) {
            *place = (field, Some(value));
        }
        self.0.on_event(
            &Event::new(event.metadata(), &fields.value_set(&values)),
            context,
        );
    }
}

/// An event as a person reads it, and its fields one by one.
#[derive(Default)]
struct Line {
    text: String,
    values: Vec<(Field, String)>,
}

impl Line {
    fn push(&mut self, field: &Field, shown: &dyn Debug, value: String) {
        // Writing to a string does not fail.
        let _ = write!(self.text, " {}={shown:?}", field.name());
        self.values.push((field.clone(), value));
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.text.insert_str(0, value);
        } else {
            self.push(field, &value, value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.text.insert_str(0, &format!("{value:?}"));
        } else {
            self.push(field, value, format!("{value:?}"));
        }
    }
}
