//! Scripts: what happens to one exchange after the other, and what a test is told
//! that has more of them than its script.
//!
//! Mutations caught: a script that gives tokens when it has run out; a panic where a
//! panic is under way; a script that is never checked; steps taken from another's
//! script.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use fiskil_auth::sandbox::{Fault, Sandbox, Script, Step};
use http::StatusCode;
use tokio::time::{advance, timeout};

use crate::caller::{call_api, exchange, fetch_token, send};

const UNAVAILABLE: Step = Step::Fault(Fault::Status(StatusCode::SERVICE_UNAVAILABLE));
const FIVE_SECONDS: Step = Step::Token {
    lifetime: Duration::from_secs(5),
};

async fn status(sandbox: &Sandbox) -> u16 {
    let answer = send(sandbox, exchange(&sandbox.credentials())).await;
    answer.status.as_u16()
}

/// What the end of a script says, if it is a panic.
fn said(end: impl FnOnce()) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(end)).err()?;
    Some(*panic.downcast::<String>().unwrap())
}

#[tokio::test(start_paused = true)]
async fn exchanges_follow_a_script_step_by_step() {
    let sandbox = Sandbox::new();
    let script = sandbox.script([UNAVAILABLE, Fault::Hang.into(), FIVE_SECONDS]);
    assert_eq!(status(&sandbox).await, 503);
    let hanging = timeout(Duration::from_secs(1_000), status(&sandbox));
    assert!(hanging.await.is_err());
    let answer = send(&sandbox, exchange(&sandbox.credentials())).await;
    assert_eq!(answer.json["expires_in"], 5);
    script.finish();

    assert_eq!(call_api(&sandbox, &answer.token()).await, StatusCode::OK);
    advance(Duration::from_secs(5)).await;
    let expired = call_api(&sandbox, &answer.token()).await;
    assert_eq!(expired, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&sandbox).await, 200);
}

#[tokio::test(start_paused = true)]
async fn a_script_that_runs_out_fails_the_test_and_names_the_request() {
    let sandbox = Sandbox::new();
    let tokens = sandbox.layer().tokens();
    let script = sandbox.script([FIVE_SECONDS]);
    tokens.token().await.unwrap();
    advance(Duration::from_secs(6)).await;
    let error = tokens.token().await.unwrap_err();
    assert_eq!(error.error_name(), Some("ScriptRanOut"));
    assert!(!error.is_transient());

    let text = said(|| drop(script)).unwrap();
    let credentials = sandbox.credentials();
    let id = credentials.client_id();
    for expected in [
        "the sandbox's script of tests/sandbox/script.rs:",
        " ran out: of its 1 step none was left for",
        &format!("none was left for POST /v1/token by {id}, 6.000 s after the start"),
        &format!("0.000 s  POST /v1/token by {id}: 200, a token for 5 s"),
        &format!("6.000 s  POST /v1/token by {id}: 410, the script had no step left"),
    ] {
        assert!(text.contains(expected), "{expected} is not in: {text}");
    }
    assert!(!text.contains(credentials.expose_secret()), "{text}");
    // And with its script the sandbox's silence ends.
    assert_eq!(status(&sandbox).await, 200);
}

#[tokio::test(start_paused = true)]
async fn finishing_a_script_with_steps_left_names_them() {
    let sandbox = Sandbox::new();
    let script = sandbox.script([FIVE_SECONDS, UNAVAILABLE]);
    fetch_token(&sandbox).await;

    let text = said(|| script.finish()).unwrap();
    let expected = "of its 2 steps these are left: [Fault(Status(503))]";
    assert!(text.contains(expected), "{text}");
}

#[tokio::test(start_paused = true)]
async fn finishing_a_script_that_ran_out_names_the_request() {
    let sandbox = Sandbox::new();
    let script = sandbox.script([UNAVAILABLE; 0]);
    assert_eq!(status(&sandbox).await, 410);
    let text = said(|| script.finish()).unwrap();
    assert!(text.contains("none was left for POST /v1/token"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_script_that_is_dropped_with_steps_left_says_nothing_and_ends() {
    let sandbox = Sandbox::new();
    let script = sandbox.script([UNAVAILABLE, UNAVAILABLE]);
    assert_eq!(status(&sandbox).await, 503);
    assert_eq!(said(|| drop(script)), None);
    assert_eq!(status(&sandbox).await, 200);
}

#[tokio::test(start_paused = true)]
async fn a_test_that_fails_by_itself_keeps_its_own_message() {
    let sandbox = Sandbox::new();
    let script = sandbox.script([UNAVAILABLE; 0]);
    assert_eq!(status(&sandbox).await, 410);

    // A panic in `drop` while another is under way would end the process.
    let text = said(move || {
        let _script: Script = script;
        panic!("{}", "the test's own");
    });
    assert_eq!(text.as_deref(), Some("the test's own"));
}

#[tokio::test(start_paused = true)]
async fn a_script_of_faults_alone_needs_no_steps() {
    let sandbox = Sandbox::new();
    let script =
        sandbox.script([StatusCode::BAD_GATEWAY, StatusCode::FORBIDDEN].map(Fault::Status));
    assert_eq!(status(&sandbox).await, 502);
    assert_eq!(status(&sandbox).await, 403);
    script.finish();
}

#[tokio::test(start_paused = true)]
async fn a_later_script_comes_first_and_then_the_earlier_goes_on() {
    let sandbox = Sandbox::new();
    let earlier = sandbox.script([UNAVAILABLE, FIVE_SECONDS]);
    assert_eq!(status(&sandbox).await, 503);
    let later = sandbox.script([Fault::Status(StatusCode::FORBIDDEN)]);
    assert_eq!(status(&sandbox).await, 403);
    assert_eq!(status(&sandbox).await, 410);
    assert!(said(|| drop(later)).is_some());
    assert_eq!(status(&sandbox).await, 200);
    earlier.finish();
}

#[tokio::test(start_paused = true)]
async fn the_end_of_an_earlier_script_leaves_the_later_ones_in_order() {
    let sandbox = Sandbox::new();
    let [first, _second, _third] = [
        StatusCode::FORBIDDEN,
        StatusCode::BAD_GATEWAY,
        StatusCode::IM_A_TEAPOT,
    ]
    .map(|status| sandbox.script([Fault::Status(status)]));
    drop(first);
    assert_eq!(status(&sandbox).await, 418);
}

#[tokio::test(start_paused = true)]
async fn a_script_comes_before_faults_and_is_not_healed() {
    let sandbox = Sandbox::new();
    sandbox.fail_next_exchanges(1, Fault::Status(StatusCode::BAD_GATEWAY));
    let script = sandbox.script([FIVE_SECONDS, UNAVAILABLE]);
    assert_eq!(status(&sandbox).await, 200);
    sandbox.heal();
    assert_eq!(status(&sandbox).await, 503);
    script.finish();
}

#[tokio::test(start_paused = true)]
async fn a_pairs_script_is_its_own_and_comes_before_that_for_all() {
    let sandbox = Sandbox::new();
    let pair = sandbox.add_pair();
    let for_all = sandbox.script([Fault::Status(StatusCode::BAD_GATEWAY)]);
    let own = pair.script([UNAVAILABLE]);
    let of_pair = send(&sandbox, exchange(&pair.credentials())).await;
    assert_eq!(of_pair.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(status(&sandbox).await, 502);
    own.finish();
    for_all.finish();
}

#[tokio::test(start_paused = true)]
async fn a_step_with_a_token_gives_none_to_who_deserves_none() {
    let sandbox = Sandbox::new();
    let script = sandbox.script([FIVE_SECONDS, FIVE_SECONDS]);
    let refused = send(&sandbox, exchange(&Sandbox::new().credentials())).await;
    refused.assert_error(StatusCode::UNAUTHORIZED, "unauthorized");
    assert_eq!(status(&sandbox).await, 200);
    script.finish();
}
