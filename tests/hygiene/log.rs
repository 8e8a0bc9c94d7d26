//! All that is logged by this process, at TRACE and by every target, with what
//! hyper, h2 and rustls say.

use std::io;
use std::sync::{Mutex, Once, PoisonError};

use log::{LevelFilter, Metadata, Record};
use tracing_subscriber::filter::LevelFilter as TracingLevel;

static WRITTEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static START: Once = Once::new();

/// Starts to capture. Every test that logs begins with this: an event that was
/// met before may be lost for good.
pub(crate) fn capture() {
    START.call_once(|| {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(TracingLevel::TRACE)
            .with_ansi(false)
            .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
            .with_writer(|| Writer)
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        // rustls has its own facade.
        log::set_logger(&Logger).unwrap();
        log::set_max_level(LevelFilter::Trace);
        // A panic's message can be read by anybody, too.
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            append(format!("PANIC {panic}\n").as_bytes());
            before(panic);
        }));
    });
}

pub(crate) fn captured() -> String {
    let written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&written).into_owned()
}

fn append(bytes: &[u8]) {
    let mut written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    written.extend_from_slice(bytes);
}

struct Writer;

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        append(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        append(format!("{} {}\n", record.target(), record.args()).as_bytes());
    }

    fn flush(&self) {}
}
