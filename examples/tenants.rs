//! A platform whose tenants each have their own client of Fiskil: a layer for each,
//! made when it is first needed, dropped when idle. A sandbox stands in for Fiskil: for
//! production, leave out `--features sandbox` and all that needs it.
//!
//! In an empty project:
//!
//! cargo add fiskil-auth --features sandbox
//! cargo add anyhow bytes futures-util http http-body-util
//! cargo add moka --features sync
//! cargo add tokio --features full
//! cargo add tower --features limit,util
//! cargo add tracing-subscriber
#![allow(clippy::print_stdout)]

use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use fiskil_auth::sandbox::{Sandbox, SandboxService};
use fiskil_auth::{Credentials, FiskilAuth, FiskilAuthLayer, ProvideCredentials, TokenClient};
use futures_util::future::try_join_all;
use http::{Request, StatusCode};
use http_body_util::Empty;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tower::limit::ConcurrencyLimit;
use tower::{Layer, ServiceBuilder, ServiceExt};

/// For Fiskil itself: `HttpsTokenService` in the place of `TokenClient`, an HTTP client
/// (see the example `hyper_client`) in that of `SandboxService`, and URIs that begin with
/// `https://api.fiskil.com`.
type Exchanges = ConcurrencyLimit<TokenClient<SandboxService>>;
type Client = SandboxService;

/// The layers of all tenants, by the platform's own name for each.
struct Tenants {
    layers: Cache<String, FiskilAuthLayer>,
    exchanges: Exchanges,
    client: Client,
}

impl Tenants {
    fn new(sandbox: &Sandbox, idle: Duration) -> Self {
        Self {
            layers: Cache::builder()
                .max_capacity(10_000)
                // moka's default policy may refuse a tenant that is new. Each of its
                // requests would then make a layer, and an exchange.
                .eviction_policy(EvictionPolicy::lru())
                .time_to_idle(idle)
                .build(),
            exchanges: ServiceBuilder::new()
                .concurrency_limit(50)
                .service(TokenClient::new(sandbox.service())),
            client: sandbox.service(),
        }
    }

    fn api(&self, tenant: &str, credentials: impl ProvideCredentials) -> FiskilAuth<Client> {
        let layer = self.layers.get_with_by_ref(tenant, || {
            FiskilAuthLayer::with_token_service(credentials, self.exchanges.clone())
        });
        layer.layer(self.client.clone())
    }

    async fn end_users(
        &self,
        tenant: &str,
        credentials: impl ProvideCredentials,
    ) -> Result<StatusCode> {
        let api = self.api(tenant, credentials);
        let request = Request::get("/v1/end-users").body(Empty::<Bytes>::new())?;
        Ok(api.oneshot(request).await?.status())
    }
}

/// Fails if anything did not happen as it says.
#[tokio::main]
async fn main() -> Result<()> {
    println!("\nfiskil-auth with many tenants\n");
    // What operators see: whose exchange failed.
    tracing_subscriber::fmt()
        .without_time()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .init();
    let sandbox = Sandbox::new();
    sandbox.set_latency(Duration::from_millis(50));
    // For this example. A real one is longer than the life of a token: half an hour.
    let idle = Duration::from_millis(500);
    let tenants = Tenants::new(&sandbox, idle);

    println!("  200 tenants, three requests of each, all at once");
    let pairs: Vec<_> = (0..200).map(|_| sandbox.add_pair()).collect();
    let requests = (0..3).flat_map(|_| pairs.iter().enumerate());
    let requests = requests.map(async |(n, pair)| {
        tenants
            .end_users(&format!("tenant-{n}"), pair.credentials())
            .await
    });
    let answers = try_join_all(requests).await?;
    ensure!(answers.iter().all(|status| *status == StatusCode::OK));
    ensure!(pairs.iter().all(|pair| pair.counts().issued == 1));
    println!("  all are answered, with one exchange for each tenant\n");

    println!("  one has a wrong secret");
    let wrong = Credentials::new("id-of-tenant-200", "mistyped");
    ensure!(tenants.end_users("tenant-200", wrong).await? == StatusCode::BAD_GATEWAY);
    println!("  its event says whose it is, and nobody else notices\n");

    println!("  two have the same client id, and different secrets");
    let same = ["one", "another"].map(|secret| sandbox.accept(Credentials::new("same", secret)));
    for (name, pair) in ["tenant-201", "tenant-202"].into_iter().zip(&same) {
        ensure!(tenants.end_users(name, pair.credentials()).await? == StatusCode::OK);
        ensure!(pair.counts().requests == 1);
    }
    println!("  each has a token of its own\n");

    println!("  all are idle");
    tokio::time::sleep(Duration::from_secs(1)).await;
    tenants.layers.run_pending_tasks();
    ensure!(tenants.layers.entry_count() == 0);
    println!("  their layers are dropped");
    let first = pairs.first().map(|pair| pair.credentials());
    let first = first.unwrap_or_else(|| sandbox.credentials());
    ensure!(tenants.end_users("tenant-0", first).await? == StatusCode::OK);
    println!("  and the next request of one makes its layer anew\n");
    Ok(())
}
