//! What the programs share: a sandbox over HTTPS in the parent process, and the
//! program itself in a child that trusts its certificate.

#[cfg(feature = "installed")]
pub mod server;

use std::env;
use std::process::{Command, ExitCode};

use bytes::Bytes;
use fiskil_auth::sandbox::Sandbox;
use http_body_util::Empty;

pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A server whose certificate the program has to trust.
pub struct Server {
    pub base_url: String,
    pub certificate_pem: String,
    /// Keeps it running.
    pub handle: Box<dyn std::any::Any>,
}

/// Runs `program` against the sandbox that `serve` serves. Fails unless there
/// was one exchange, and one request that the sandbox let in.
pub fn run(
    serve: impl AsyncFnOnce(&Sandbox) -> Outcome<Server>,
    program: impl AsyncFnOnce(String) -> Outcome<()>,
) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.expect("no runtime");
    let outcome = match env::var(BASE_URL) {
        Ok(base) => runtime.block_on(program(base)),
        Err(_) => runtime.block_on(parent(serve)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

async fn parent(serve: impl AsyncFnOnce(&Sandbox) -> Outcome<Server>) -> Outcome<()> {
    let sandbox = Sandbox::new();
    let credentials = sandbox.credentials();
    let server = serve(&sandbox).await?;
    let store = env::temp_dir().join(format!("fiskil-auth-program-{}.pem", std::process::id()));
    std::fs::write(&store, &server.certificate_pem)?;
    let mut child = Command::new(env::current_exe()?);
    child
        .env(BASE_URL, &server.base_url)
        .env("FISKIL_CLIENT_ID", credentials.client_id())
        .env("FISKIL_CLIENT_SECRET", credentials.expose_secret())
        .env("SSL_CERT_FILE", &store)
        .env_remove("SSL_CERT_DIR");
    let status = tokio::task::spawn_blocking(move || child.status()).await?;
    std::fs::remove_file(&store)?;
    let counts = sandbox.counts();
    let seen = (
        status?.success(),
        counts.issued,
        counts.requests,
        counts.unauthorized,
    );
    match seen {
        (true, 1, 1, 0) => Ok(()),
        _ => Err(format!("the program failed, or did not get through: {counts:?}").into()),
    }
}

#[cfg(not(feature = "installed"))]
pub async fn serve(sandbox: &Sandbox) -> Outcome<Server> {
    let server = sandbox.serve_https().await?;
    Ok(Server {
        base_url: server.base_url(),
        certificate_pem: server.certificate_pem().to_owned(),
        handle: Box::new(server),
    })
}

pub fn end_users(base: &str) -> http::Request<Empty<Bytes>> {
    http::Request::get(format!("{base}/v1/end-users"))
        .body(Empty::new())
        .expect("no request")
}

pub const BASE_URL: &str = "FISKIL_BASE_URL";
