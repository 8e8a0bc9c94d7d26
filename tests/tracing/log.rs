//! What a thread logs, as the tests look at it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::support::watch;

/// An event: its level, its fields as text, `message` among them, and the span
/// that it happened in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) level: Level,
    pub(crate) span: Option<SeenSpan>,
    fields: Fields,
}

/// A span as it was at that moment.
#[derive(Clone, Debug)]
pub(crate) struct SeenSpan {
    pub(crate) name: &'static str,
    pub(crate) target: String,
    /// The names of the spans that it is in, and of those that it follows from.
    pub(crate) parent: Option<&'static str>,
    pub(crate) follows: Vec<&'static str>,
    fields: Fields,
}

impl Seen {
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name)
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.fields.0.keys().copied().collect()
    }
}

impl SeenSpan {
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name)
    }
}

/// Collects the events of this crate, and counts all others.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<(Vec<Seen>, usize)>>);

impl Log {
    /// Sees what this thread logs while the guard lives.
    pub(crate) fn new() -> (Self, DefaultGuard) {
        Self::at(LevelFilter::TRACE)
    }

    /// Sees no more than that.
    pub(crate) fn at(level: LevelFilter) -> (Self, DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::registry().with(log.clone()).with(level);
        (log, watch(subscriber))
    }

    pub(crate) fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap().0.clone()
    }

    /// How many events were not this crate's.
    pub(crate) fn foreign(&self) -> usize {
        self.0.lock().unwrap().1
    }

    /// The events so far, which are taken.
    pub(crate) fn take_all(&self) -> Vec<Seen> {
        std::mem::take(&mut self.0.lock().unwrap().0)
    }

    /// The only event so far, which is taken.
    pub(crate) fn take(&self) -> Seen {
        let seen = self.take_all();
        let [seen] = &seen[..] else {
            panic!("not one event: {seen:?}");
        };
        seen.clone()
    }
}

/// What is kept with a span.
#[derive(Default)]
struct Kept {
    fields: Fields,
    follows: Vec<&'static str>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Log {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut kept = Kept::default();
        attributes.record(&mut kept.fields);
        context.span(id).unwrap().extensions_mut().insert(kept);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let mut extensions = span.extensions_mut();
        values.record(&mut extensions.get_mut::<Kept>().unwrap().fields);
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, context: Context<'_, S>) {
        let name = context.span(follows).unwrap().name();
        let span = context.span(id).unwrap();
        let mut extensions = span.extensions_mut();
        extensions.get_mut::<Kept>().unwrap().follows.push(name);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut state = self.0.lock().unwrap();
        if event.metadata().target() != "fiskil_auth" {
            state.1 += 1;
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let span = context.event_span(event).map(|span| {
            let extensions = span.extensions();
            let kept: &Kept = extensions.get().unwrap();
            SeenSpan {
                name: span.name(),
                target: span.metadata().target().to_owned(),
                parent: span.parent().map(|parent| parent.name()),
                follows: kept.follows.clone(),
                fields: kept.fields.clone(),
            }
        });
        state.0.push(Seen {
            level: *event.metadata().level(),
            span,
            fields,
        });
    }
}

#[derive(Clone, Debug, Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Fields {
    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}
