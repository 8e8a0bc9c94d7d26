//! Credentials are rotated while requests go on, and none of them fails.
//!
//! In an empty project:
//!
//! cargo add fiskil-auth --features sandbox
//! cargo add futures-util http serde_json
//! cargo add tokio --features full
//! cargo add tower --features util
//!
//! A sandbox over HTTPS on loopback stands in for Fiskil, and a file for the secret
//! that a Vault agent or Kubernetes mounts. For production, leave out
//! `--features sandbox` and all that needs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fiskil_auth::sandbox::{HttpsSandbox, Sandbox};
use fiskil_auth::{BoxError, Credentials, CredentialsFile, FiskilAuthLayer, TokenCache};
use futures_util::future::try_join_all;
use http::{Request, StatusCode};
use tokio::time::sleep;
use tower::{Layer, ServiceExt};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let sandbox = Sandbox::new();
    sandbox.set_lifetime(Duration::from_secs(6));
    let server = sandbox.serve_https().await?;
    let mount = Mount::new()?;
    mount.write(&sandbox.credentials())?;

    // The file is read before every exchange: that is all it takes.
    // For Fiskil itself: `FiskilAuthLayer::new(CredentialsFile::new(path))`, an HTTP client
    // (see the example `hyper_client`) in the place of `server.client()`, and URIs that
    // begin with `https://api.fiskil.com`.
    let layer = server.layer_for(CredentialsFile::new(mount.path()));

    let old = sandbox.credentials();
    let tokens = layer.tokens();
    // The load goes on until the rotation is over, or a request fails.
    tokio::select! {
        outcome = load(&layer, &server) => outcome?,
        outcome = rotate(&tokens, &sandbox, &mount) => outcome?,
    }
    let counts = sandbox.counts();
    println!(
        "4. {} requests, of which {} failed",
        counts.requests, counts.unauthorized
    );
    assert_eq!(counts.unauthorized, 0);

    println!("5. The old pair is of no use any more");
    let stale = server.layer_for(old).tokens().token().await;
    println!("   {}", stale.err().ok_or("the old pair got a token")?);
    Ok(())
}

async fn rotate(tokens: &TokenCache, sandbox: &Sandbox, mount: &Mount) -> Result<(), BoxError> {
    println!("1. Ten clients send requests, with the pair in the file");
    tokens.token().await?;

    println!("2. The pair is rotated, and the file gets the new one");
    mount.write(&sandbox.rotate_credentials())?;
    renewed(tokens).await;
    println!("   the next token was exchanged for the new pair");

    println!("3. The token is renewed while the file is half written");
    let exchanges = sandbox.counts().exchanges;
    fs::write(mount.path(), r#"{"client_id": "san"#)?;
    let error = tokens.refresh().await.err();
    println!("   {}", error.ok_or("half a file was used")?);
    println!("   nothing was sent to Fiskil, and the token stays in use");
    assert_eq!(sandbox.counts().exchanges, exchanges);
    mount.write(&sandbox.credentials())?;
    renewed(tokens).await;
    println!("   once the file is whole, the token is renewed");
    Ok(())
}

/// Waits until requests have another token.
async fn renewed(tokens: &TokenCache) {
    let before = tokens.status().generation;
    while tokens.status().generation == before {
        sleep(Duration::from_millis(10)).await;
    }
}

/// Sends requests from ten clients, and ends with the first that is not let in.
async fn load(layer: &FiskilAuthLayer, server: &HttpsSandbox) -> Result<(), BoxError> {
    let api = layer.layer(server.client::<String>());
    let uri = format!("{}/v1/end-users", server.base_url());
    let client = async || -> Result<(), BoxError> {
        loop {
            let request = Request::get(uri.as_str()).body(String::new())?;
            let status = api.clone().oneshot(request).await?.status();
            if status != StatusCode::OK {
                return Err(format!("a request was answered {status}").into());
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    try_join_all((0..10).map(|_| client())).await.map(drop)
}

/// A folder with the secret in it, which is removed at the end.
struct Mount {
    folder: PathBuf,
}

impl Mount {
    fn new() -> Result<Self, BoxError> {
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
    fn write(&self, pair: &Credentials) -> Result<(), BoxError> {
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

fn write_privately(path: &Path, content: &str) -> Result<(), BoxError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    Ok(std::io::Write::write_all(&mut file, content.as_bytes())?)
}
