//! Both recipes for metrics, fed by a cache that has been through everything.

use std::collections::BTreeMap;
use std::time::Duration;

use fiskil_auth::FiskilAuthLayer;
use http::Request;
use metrics_util::MetricKind;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, Sum};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use tokio::time::sleep;
use tower::{Layer, ServiceExt};

use crate::support::{Api, Tokens, layer, settle};
use crate::{with_metrics, with_opentelemetry};

/// A layer with five fetches, of which two failed and one goes on, one rejection, a suspect token that
/// may be used for 880 to 890 s more, and three requests that wait.
async fn busy() -> FiskilAuthLayer {
    let tokens = Tokens::new();
    let layer = layer(&tokens);
    let cache = layer.tokens();
    cache.token().await.unwrap();
    let token = cache.refresh().await.unwrap();
    tokens.fail("down");
    for backoff in [2, 3] {
        cache.refresh().await.unwrap_err();
        sleep(Duration::from_secs(backoff)).await;
    }
    tokens.hang();
    cache.report_rejected(&token);
    for _ in 0..3 {
        let service = layer.layer(Api::default());
        tokio::spawn(service.oneshot(Request::new(())));
    }
    settle().await;
    layer
}

/// Name, kind and value of each, in full tens where it is a time: the exporter runs on
/// a thread of its own, which has no paused clock.
type Metrics = BTreeMap<String, (&'static str, f64)>;

fn metric(name: String, kind: &'static str, value: f64) -> (String, (&'static str, f64)) {
    let value = match name.ends_with("_seconds") {
        true => (value / 10.0).ceil() * 10.0,
        false => value,
    };
    (name, (kind, value))
}

fn expected() -> Metrics {
    [
        ("fiskil_token_fetches_total", ("counter", 5.0)),
        ("fiskil_token_exchanges_total", ("counter", 4.0)),
        ("fiskil_token_fetch_failures_total", ("counter", 2.0)),
        ("fiskil_token_rejections_total", ("counter", 1.0)),
        ("fiskil_token_expires_in_seconds", ("gauge", 890.0)),
        ("fiskil_token_suspect", ("gauge", 1.0)),
        ("fiskil_token_pending_requests", ("gauge", 3.0)),
    ]
    .map(|(name, metric)| (name.to_owned(), metric))
    .into()
}

#[tokio::test(start_paused = true)]
async fn the_recipe_for_metrics_feeds_a_recorder() {
    let layer = busy().await;
    let recorder = DebuggingRecorder::new();
    metrics::with_local_recorder(&recorder, || with_metrics::record(&layer.tokens()));
    let snapshot = recorder.snapshotter().snapshot().into_vec();
    let recorded = snapshot.into_iter().map(|(key, _, _, value)| {
        let (kind, key) = key.into_parts();
        let value = match value {
            DebugValue::Counter(value) => value as f64,
            DebugValue::Gauge(value) => value.into_inner(),
            DebugValue::Histogram(_) => panic!("a histogram"),
        };
        metric(key.name().to_owned(), name(kind), value)
    });
    assert_eq!(recorded.collect::<Metrics>(), expected());
}

fn name(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    }
}

#[tokio::test(start_paused = true)]
async fn the_recipe_for_opentelemetry_feeds_an_exporter_and_both_agree_on_names() {
    let layer = busy().await;
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone()).build();
    let provider = SdkMeterProvider::builder().with_reader(reader).build();
    with_opentelemetry::observe(&layer.tokens(), &provider.meter("test"));
    provider.force_flush().unwrap();

    let exported = exporter.get_finished_metrics().unwrap();
    let scopes = exported
        .iter()
        .flat_map(|resource| resource.scope_metrics());
    let metrics = scopes.flat_map(|scope| scope.metrics()).map(|of| {
        let (kind, value) = read(of.data());
        metric(in_prometheus(of.name(), of.unit(), kind), kind, value)
    });
    assert_eq!(metrics.collect::<Metrics>(), expected());
}

fn read(data: &AggregatedMetrics) -> (&'static str, f64) {
    match data {
        AggregatedMetrics::U64(MetricData::Sum(sum)) => {
            assert!(sum.is_monotonic());
            ("counter", only(sum) as f64)
        }
        AggregatedMetrics::I64(MetricData::Sum(sum)) => {
            assert!(!sum.is_monotonic());
            ("gauge", only(sum) as f64)
        }
        AggregatedMetrics::F64(MetricData::Gauge(gauge)) => {
            let mut points = gauge.data_points();
            let value = points.next().unwrap().value();
            assert!(points.next().is_none());
            ("gauge", value)
        }
        other => panic!("{other:?}"),
    }
}

fn only<T: Copy>(sum: &Sum<T>) -> T {
    let mut points = sum.data_points();
    let value = points.next().unwrap().value();
    assert!(points.next().is_none());
    value
}

/// What OpenTelemetry's rules for Prometheus make of a name: dots and braces of units
/// go, seconds are spelled out, and counters end in `_total`.
fn in_prometheus(name: &str, unit: &str, kind: &str) -> String {
    let mut name = name.replace('.', "_");
    match unit {
        "s" => name.push_str("_seconds"),
        _ => assert!(
            unit.starts_with('{') && unit.ends_with('}'),
            "{name}: {unit}"
        ),
    }
    if kind == "counter" {
        name.push_str("_total");
    }
    name
}
