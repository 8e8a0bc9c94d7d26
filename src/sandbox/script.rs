//! The handle on a script, which tells the test when it ran out.

use std::collections::VecDeque;
use std::fmt;
use std::panic::Location;
use std::thread;

use super::Step;
use super::scripts::{Ending, ScriptId, Subject};
use super::shared::Shared;

/// A script that exchanges follow, one step each: see
/// [`Sandbox::script`](super::Sandbox::script) and [`Pair::script`](super::Pair::script).
///
/// It lasts until this is dropped. An exchange for which it has no step left is
/// answered 410 with `ScriptRanOut` for a name, which is a permanent failure, and the
/// test is told when the script ends.
///
/// ```
/// use std::time::Duration;
///
/// use fiskil_auth::ErrorKind;
/// use fiskil_auth::sandbox::{Fault, Sandbox, Step};
/// use http::StatusCode;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), fiskil_auth::Error> {
/// let sandbox = Sandbox::new();
/// let script = sandbox.script([
///     Step::Fault(Fault::Status(StatusCode::SERVICE_UNAVAILABLE)),
///     Step::Fault(Fault::Hang),
///     Step::Token { lifetime: Duration::from_secs(5) },
/// ]);
///
/// let tokens = sandbox.layer().tokens();
/// assert!(tokens.token().await.is_err());
/// tokio::time::advance(Duration::from_secs(2)).await;
/// assert_eq!(tokens.token().await.unwrap_err().kind(), ErrorKind::Timeout);
/// tokio::time::advance(Duration::from_secs(4)).await;
/// assert_eq!(tokens.token().await?.lifetime(), Duration::from_secs(5));
/// script.finish();
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// When it is dropped, if an exchange came for which it had no step. The text names
/// those exchanges, and has the sandbox's [log](super::Sandbox::log) in it. While the thread
/// panics already, the text goes to stderr.
///
/// It can't panic at the exchange itself: that runs on a task of its own, and a panic
/// there would not reach the test.
#[must_use = "the script ends when this is dropped"]
pub struct Script {
    shared: Shared,
    id: ScriptId,
    started_at: &'static Location<'static>,
}

impl Script {
    #[track_caller]
    pub(super) fn start(shared: Shared, subject: Subject, steps: VecDeque<Step>) -> Self {
        let id = shared.lock().start_script(subject, steps);
        let started_at = Location::caller();
        Self {
            shared,
            id,
            started_at,
        }
    }

    /// Ends the script.
    ///
    /// # Panics
    ///
    /// If it has steps left, or if an exchange came for which it had none.
    #[track_caller]
    pub fn finish(self) {
        if let Some(ending) = self.end() {
            self.report(ending.left_over().or_else(|| ending.shortage()));
        }
    }

    fn end(&self) -> Option<Ending> {
        self.shared.lock().take_script(self.id)
    }

    #[track_caller]
    #[expect(
        clippy::panic,
        reason = "a test's mistake, which must not go unnoticed"
    )]
    fn report(&self, trouble: Option<String>) {
        let Some(trouble) = trouble else { return };
        let log = self.shared.lock().log();
        let text = format!(
            "the sandbox's script of {} {trouble}\nwhat the sandbox saw:\n{log}",
            self.started_at
        );
        match thread::panicking() {
            true => eprintln!("{text}"),
            false => panic!("{text}"),
        }
    }
}

impl Ending {
    fn shortage(&self) -> Option<String> {
        let exchanges = self.beyond.join("; ");
        (!self.beyond.is_empty()).then(|| {
            let steps = steps(self.length);
            format!("ran out: of its {steps} none was left for {exchanges}")
        })
    }

    fn left_over(&self) -> Option<String> {
        (!self.left.is_empty()).then(|| {
            let (steps, left) = (steps(self.length), &self.left);
            format!("was not played to its end: of its {steps} these are left: {left:?}")
        })
    }
}

fn steps(n: usize) -> String {
    match n {
        1 => "1 step".to_owned(),
        n => format!("{n} steps"),
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if let Some(ending) = self.end() {
            self.report(ending.shortage());
        }
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").finish_non_exhaustive()
    }
}
