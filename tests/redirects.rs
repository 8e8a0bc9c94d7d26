//! Redirect layers above and beneath: where the token goes then.
//!
//! Guarantee 11 (the token goes to allowed origins only).
//!
//! Mutations caught: a scope that compares hosts without ports or schemes, that
//! lets plain HTTP pass, or that is asked for the first request of a layer only.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod support;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use fiskil_auth::{Error, ErrorKind, FiskilAuthLayer};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use support::{Tokens, carried};
use tower::util::BoxCloneService;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_http::follow_redirect::policy::{FilterCredentials, Policy, SameOrigin, Standard};

type Body = Empty<Bytes>;
type Http = BoxCloneService<Request<Body>, Response<Body>, Infallible>;

/// Redirects each request along these URIs, and keeps what it carried.
#[derive(Clone)]
struct World {
    route: Vec<&'static str>,
    seen: Arc<Mutex<Vec<(String, String)>>>,
}

impl World {
    fn new(route: &[&'static str]) -> Self {
        Self {
            route: route.to_vec(),
            seen: Arc::default(),
        }
    }

    fn http(&self) -> Http {
        let this = self.clone();
        BoxCloneService::new(service_fn(move |request: Request<Body>| {
            let mut seen = this.seen.lock().unwrap();
            let mut answer = Response::new(Body::new());
            if let Some(next) = this.route.get(seen.len() + 1) {
                *answer.status_mut() = StatusCode::TEMPORARY_REDIRECT;
                answer
                    .headers_mut()
                    .insert("location", next.parse().unwrap());
            }
            seen.push((request.uri().to_string(), carried(request.headers())));
            std::future::ready(Ok(answer))
        }))
    }

    /// What each stop saw.
    fn seen(&self) -> Vec<(String, String)> {
        self.seen.lock().unwrap().clone()
    }

    fn start(&self) -> Request<Body> {
        Request::get(self.route[0]).body(Body::new()).unwrap()
    }
}

fn layer() -> FiskilAuthLayer {
    support::layer(&Tokens::new())
}

/// What each stop saw, with the redirect layer above, and how it ended.
async fn above(layer: FiskilAuthLayer, route: &[&'static str]) -> (Vec<String>, StatusCode) {
    let world = World::new(route);
    let service = ServiceBuilder::new()
        .layer(FollowRedirectLayer::new())
        .layer(layer)
        .service(world.http());
    let answer = service.oneshot(world.start()).await.unwrap();
    if let Some(error) = answer.extensions().get::<Error>() {
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }
    (stops(&world), answer.status())
}

/// Likewise with the redirect layer beneath, which has this policy.
async fn beneath<P>(policy: P, route: &[&'static str]) -> (Vec<String>, StatusCode)
where
    P: Policy<Body, Infallible> + Clone + Send + Sync + 'static,
{
    let world = World::new(route);
    let redirects = FollowRedirectLayer::with_policy(policy).layer(world.http());
    let answer = layer()
        .layer(redirects)
        .oneshot(world.start())
        .await
        .unwrap();
    (stops(&world), answer.status())
}

fn stops(world: &World) -> Vec<String> {
    let seen = world.seen();
    for ((uri, _), expected) in seen.iter().zip(&world.route) {
        assert_eq!(uri, expected);
    }
    seen.into_iter().map(|(_, carried)| carried).collect()
}

const A: &str = "https://api.fiskil.com/a";
const ALSO_A: &str = "https://api.fiskil.com/another";
const PLAIN_A: &str = "http://api.fiskil.com/a";
const PORT_A: &str = "https://api.fiskil.com:8443/a";
const USER_A: &str = "https://user@api.fiskil.com/a";
const B: &str = "https://elsewhere.example/b";
const ALSO_B: &str = "https://elsewhere.example/another";
const PLAIN_B: &str = "http://elsewhere.example/b";

const OK: StatusCode = StatusCode::OK;
const REDIRECT: StatusCode = StatusCode::TEMPORARY_REDIRECT;

#[tokio::test(start_paused = true)]
async fn above_each_hop_gets_the_token_by_its_own_origin() {
    for (route, expected) in [
        (&[A, ALSO_A][..], &["t1", "t1"][..]),
        (&[A, B], &["t1", "nothing"]),
        (&[A, B, ALSO_B], &["t1", "nothing", "nothing"]),
        (&[A, B, A], &["t1", "nothing", "t1"]),
        (&[B, ALSO_B, A], &["nothing", "nothing", "t1"]),
        (&[A, PORT_A, B], &["t1", "nothing", "nothing"]),
        (&[A, USER_A, A], &["t1", "nothing", "t1"]),
        (&[A, PLAIN_B, B], &["t1", "nothing", "nothing"]),
    ] {
        let (seen, status) = above(layer().pass_other_origins(), route).await;
        assert_eq!(
            (&seen[..], status),
            (&expected.map_to_owned()[..], OK),
            "{route:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn above_a_downgrade_to_plain_http_ends_in_an_error_and_is_not_sent() {
    for layer in [layer(), layer().any_origin()] {
        let (seen, status) = above(layer, &[A, PLAIN_A]).await;
        assert_eq!(
            (seen, status),
            (vec!["t1".to_owned()], StatusCode::BAD_GATEWAY)
        );
    }
    let (seen, status) = above(layer().any_origin(), &[A, PLAIN_B]).await;
    assert_eq!(
        (seen, status),
        (vec!["t1".to_owned()], StatusCode::BAD_GATEWAY)
    );
}

#[tokio::test(start_paused = true)]
async fn above_with_any_origin_every_https_hop_gets_the_token() {
    let (seen, _) = above(layer().any_origin(), &[A, B]).await;
    assert_eq!(seen, ["t1", "t1"]);
}

#[tokio::test(start_paused = true)]
async fn beneath_a_policy_that_stays_at_the_origin_leaks_no_token() {
    for (route, expected, status) in [
        (&[A, ALSO_A][..], &["t1", "t1"][..], OK),
        (&[A, B, ALSO_B], &["t1"], REDIRECT),
        (&[A, PLAIN_A], &["t1"], REDIRECT),
        (&[A, PORT_A], &["t1"], REDIRECT),
        (&[A, ALSO_A, B], &["t1", "t1"], REDIRECT),
    ] {
        let (seen, ended) = beneath(SameOrigin::new(), route).await;
        assert_eq!(
            (&seen[..], ended),
            (&expected.map_to_owned()[..], status),
            "{route:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn beneath_a_policy_that_removes_credentials_at_every_hop_leaks_no_token() {
    for route in [&[A, B, ALSO_B][..], &[A, ALSO_A, B], &[A, PLAIN_A, PLAIN_B]] {
        let (seen, _) = beneath(FilterCredentials::new().block_any(), route).await;
        assert_eq!(seen, ["t1", "nothing", "nothing"], "{route:?}");
    }
}

/// Why the documentation asks for redirect layers above: one beneath has the
/// header already. This one removes it at the first foreign hop, and sends it
/// again at the second.
#[tokio::test(start_paused = true)]
async fn beneath_the_default_policy_of_tower_http_0_6_leaks_the_token_at_the_second_foreign_hop() {
    let (seen, _) = beneath(FilterCredentials::new(), &[A, B, ALSO_B]).await;
    assert_eq!(seen, ["t1", "nothing", "t1"]);
}

#[tokio::test(start_paused = true)]
async fn beneath_the_default_policy_removes_the_token_for_one_hop_only() {
    // It compares each hop with the one before: from B back to A the origin
    // changes, too, and from A to A it does not.
    for (route, expected) in [
        (&[A, B, A][..], &["t1", "nothing", "nothing"][..]),
        (&[A, B, A, ALSO_A], &["t1", "nothing", "nothing", "t1"]),
        (&[A, PLAIN_A, A], &["t1", "nothing", "nothing"]),
    ] {
        let (seen, status) = beneath(Standard::default(), route).await;
        assert_eq!(
            (&seen[..], status),
            (&expected.map_to_owned()[..], OK),
            "{route:?}"
        );
    }
}

/// Where only the transport beneath knows the origin, a redirect layer has nothing
/// to resolve a `Location` against.
#[tokio::test(start_paused = true)]
async fn a_request_that_names_no_origin_is_not_redirected_from_above_or_beneath() {
    for route in [
        &["/a", "/another"][..],
        &["/a", "another"],
        &["/a", "//elsewhere.example/b"],
        &["/a", A],
        &["/a", B],
    ] {
        let once = (vec!["t1".to_owned()], REDIRECT);
        assert_eq!(above(layer(), route).await, once, "{route:?}");
        let seen = beneath(Standard::default(), route).await;
        assert_eq!(seen, once, "{route:?}");
        let seen = beneath(FilterCredentials::new(), route).await;
        assert_eq!(seen, once, "{route:?}");
    }
}

trait MapToOwned {
    fn map_to_owned(&self) -> Vec<String>;
}

impl MapToOwned for [&str] {
    fn map_to_owned(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}
