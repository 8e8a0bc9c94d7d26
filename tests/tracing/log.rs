//! What a thread logs, as the tests look at it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};

/// An event: its level, and its fields as text, `message` among them.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) level: Level,
    fields: BTreeMap<&'static str, String>,
}

impl Seen {
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.fields.keys().copied().collect()
    }
}

/// Collects the events of this crate, and counts all others.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<(Vec<Seen>, usize)>>);

impl Log {
    /// Sees what this thread logs while the guard lives.
    pub(crate) fn new() -> (Self, DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::registry().with(log.clone());
        (log, tracing::subscriber::set_default(subscriber))
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

impl<S: Subscriber> tracing_subscriber::Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut state = self.0.lock().unwrap();
        if event.metadata().target() != "fiskil_auth" {
            state.1 += 1;
            return;
        }
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        state.0.push(Seen {
            level: *event.metadata().level(),
            fields: fields.0,
        });
    }
}

struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}
