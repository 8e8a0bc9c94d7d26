//! What a sandbox counts.

/// What a [`Sandbox`](super::Sandbox) saw and did, or what of it concerned one
/// [`Pair`](super::Pair).
///
/// ```
/// use fiskil_auth::sandbox::Sandbox;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), fiskil_auth::Error> {
/// let sandbox = Sandbox::new();
/// sandbox.layer().tokens().token().await?;
///
/// let counts = sandbox.counts();
/// assert_eq!((counts.exchanges, counts.issued), (1, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Each `POST /v1/token`, whatever became of it. For a pair, those whose body
    /// had its id and secret.
    pub exchanges: u64,
    /// Tokens issued; handing one out once more is not another.
    pub issued: u64,
    /// Requests other than exchanges. For a pair, those that carried one of its
    /// tokens, live or not.
    pub requests: u64,
    /// Those of them that were answered with 401, or gRPC's status 16.
    pub unauthorized: u64,
}

/// One of the counts.
pub(super) type Count = fn(&mut Counts) -> &mut u64;

impl Counts {
    pub(super) fn increment(&mut self, count: Count) {
        let count = count(self);
        *count = count.saturating_add(1);
    }
}
