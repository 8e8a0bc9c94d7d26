//! The recipe for OpenTelemetry, as the page "Watching it" has it.

use fiskil_auth::{Status, TokenCache};
use opentelemetry::metrics::Meter;

pub fn observe(tokens: &TokenCache, meter: &Meter) {
    let counter = |name: &'static str, unit: &'static str, value: fn(Status) -> u64| {
        let tokens = tokens.clone();
        let counter = meter.u64_observable_counter(name).with_unit(unit);
        counter
            .with_callback(move |counter| counter.observe(value(tokens.status()), &[]))
            .build();
    };
    counter("fiskil.token.fetches", "{fetch}", |status| status.fetches);
    counter("fiskil.token.exchanges", "{exchange}", |status| {
        status.exchanges
    });
    counter("fiskil.token.fetch.failures", "{failure}", |status| {
        status.failures
    });
    counter("fiskil.token.rejections", "{rejection}", |status| {
        status.rejections
    });

    let gauge = |name: &'static str, unit: &'static str, value: fn(Status) -> f64| {
        let tokens = tokens.clone();
        let gauge = meter.f64_observable_gauge(name).with_unit(unit);
        gauge
            .with_callback(move |gauge| gauge.observe(value(tokens.status()), &[]))
            .build();
    };
    gauge("fiskil.token.expires_in", "s", |status| {
        status.expires_in.unwrap_or_default().as_secs_f64()
    });
    gauge("fiskil.token.suspect", "{token}", |status| {
        f64::from(u8::from(status.suspect))
    });

    let tokens = tokens.clone();
    let pending = meter.i64_observable_up_down_counter("fiskil.token.pending_requests");
    pending
        .with_unit("{request}")
        .with_callback(move |pending| {
            let waiting = i64::try_from(tokens.status().waiting);
            pending.observe(waiting.unwrap_or(i64::MAX), &[]);
        })
        .build();
}
