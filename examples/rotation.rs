//! Credentials are rotated while requests go on, and none of them fails.
//!
//! A sandbox over HTTPS on loopback stands in for Fiskil, and a file for the
//! secret that a Vault agent or Kubernetes mounts. Exits with an error if
//! anything did not happen as it says.
#![allow(clippy::print_stdout)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fiskil_auth::sandbox::{HttpsSandbox, Sandbox, SandboxClient};
use fiskil_auth::{Credentials, CredentialsFile, FiskilAuth, FiskilAuthLayer, TokenCache};
use fiskil_auth::{ProvideCredentials, TokenClient};
use futures_util::future::{try_join, try_join_all};
use http::{Request, StatusCode};
use http_body_util::Full;
use support::{Outcome, check, step};
use tokio::time::{sleep, timeout};
use tower::{ServiceBuilder, ServiceExt};

#[tokio::main]
async fn main() -> Outcome<()> {
    println!("\nfiskil-auth rotation\n");
    let mount = Mount::new()?;
    timeout(Duration::from_secs(15), rotate(&mount)).await??;
    println!("\nAll of it happened.\n");
    Ok(())
}

async fn rotate(mount: &Mount) -> Outcome<()> {
    let sandbox = Sandbox::new();
    sandbox.set_lifetime(Duration::from_secs(6));
    sandbox.set_latency(Duration::from_millis(50));
    let server = sandbox.serve_https().await?;
    mount.write(&sandbox.credentials())?;
    let api = Api::new(&server, CredentialsFile::new(mount.path()))?;
    let old = sandbox.credentials();

    step(1, "ten clients send requests, with the pair in the file");
    check(
        api.get().await? == StatusCode::OK,
        "the first request succeeds",
    )?;

    let script = async {
        step(2, "the pair is rotated, and the file gets the new one");
        mount.write(&sandbox.rotate_credentials())?;
        check(
            api.renewed(&sandbox).await?,
            "the next token was exchanged for the new pair",
        )?;

        step(3, "the token is renewed while the file is half written");
        let exchanged = sandbox.counts().exchanges;
        fs::write(mount.path(), r#"{"client_id": "san"#)?;
        let error = api.tokens.refresh().await.err();
        check(
            error.is_some_and(|error| error.is_transient()),
            "the renewal failed, and the token stays in use",
        )?;
        check(
            sandbox.counts().exchanges == exchanged,
            "nothing was sent to Fiskil",
        )?;
        mount.write(&sandbox.credentials())?;
        check(
            api.renewed(&sandbox).await?,
            "once the file is whole, the token is renewed",
        )
    };
    let ((), requests) = try_join(api.stop_after(script), api.load()).await?;

    step(4, "the requests of all that time");
    println!("  {requests} × 200 OK");
    check(requests > 100, "not one of them failed")?;
    check(
        sandbox.counts().unauthorized == 0,
        "not one carried a token that Fiskil refused",
    )?;

    step(5, "and the old pair is of no use any more");
    let stale = Api::new(&server, old)?;
    check(
        stale.get().await? == StatusCode::BAD_GATEWAY,
        "a client that still has it is told so by a 502",
    )
}

/// A client of Fiskil's API, and the token that its requests share.
struct Api {
    client: FiskilAuth<SandboxClient<Full<Bytes>>>,
    base: String,
    tokens: TokenCache,
    requests: AtomicU32,
    done: AtomicBool,
}

impl Api {
    fn new(server: &HttpsSandbox, credentials: impl ProvideCredentials) -> Outcome<Self> {
        let base = server.base_url();
        let exchange = TokenClient::new(server.client()).endpoint(format!("{base}/v1/token"))?;
        let layer = FiskilAuthLayer::with_token_service(credentials, exchange)
            .allow_origin(base.as_str())?;
        Ok(Self {
            tokens: layer.tokens(),
            client: ServiceBuilder::new().layer(layer).service(server.client()),
            base,
            requests: AtomicU32::new(0),
            done: AtomicBool::new(false),
        })
    }

    async fn get(&self) -> Outcome<StatusCode> {
        let request = Request::get(format!("{}/v1/end-users", self.base)).body(Full::default())?;
        Ok(self.client.clone().oneshot(request).await?.status())
    }

    /// Sends requests from ten clients until the script is over, and returns how many
    /// succeeded. The first failure is an error.
    async fn load(&self) -> Outcome<u32> {
        let client = || async {
            while !self.done.load(Ordering::Relaxed) {
                let status = self.get().await?;
                if status != StatusCode::OK {
                    return Err(format!("a request was answered {status}").into());
                }
                self.requests.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_millis(20)).await;
            }
            Outcome::Ok(())
        };
        let outcome = try_join_all((0..10).map(|_| client())).await;
        outcome.map(|_| self.requests.load(Ordering::Relaxed))
    }

    async fn stop_after(&self, script: impl Future<Output = Outcome<()>>) -> Outcome<()> {
        let outcome = script.await;
        self.done.store(true, Ordering::Relaxed);
        outcome
    }

    /// Waits for the next token, and tells whether Fiskil issued it.
    async fn renewed(&self, sandbox: &Sandbox) -> Outcome<bool> {
        let (before, issued) = (self.tokens.status().generation, sandbox.counts().issued);
        while self.tokens.status().generation == before {
            sleep(Duration::from_millis(10)).await;
        }
        Ok(sandbox.counts().issued > issued)
    }
}

/// A folder with the secret in it, which is removed at the end.
struct Mount {
    folder: PathBuf,
}

impl Mount {
    fn new() -> Outcome<Self> {
        let name = format!("fiskil-auth-rotation-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder)?;
        Ok(Self { folder })
    }

    fn path(&self) -> PathBuf {
        self.folder.join("fiskil.json")
    }

    /// As secret managers do it: a new file, readable for its owner only, replaces
    /// the old one in one step.
    fn write(&self, pair: &Credentials) -> Outcome<()> {
        let content = serde_json::json!({
            "client_id": pair.client_id(),
            "client_secret": pair.expose_secret(),
        });
        let next = self.folder.join("next");
        write_privately(&next, &content.to_string())?;
        Ok(fs::rename(next, self.path())?)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn write_privately(path: &Path, content: &str) -> Outcome<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    Ok(std::io::Write::write_all(
        &mut options.open(path)?,
        content.as_bytes(),
    )?)
}
