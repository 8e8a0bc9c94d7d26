//! A token behind a mutex, to compare with.
#![allow(dead_code, unreachable_pub, clippy::arithmetic_side_effects)]

use std::sync::Arc;
use std::time::Duration;

use fiskil_auth::{Credentials, Token, TokenRequest};
use http::{Request, StatusCode, header::AUTHORIZATION};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tower::util::BoxCloneService;
use tower::{ServiceExt, service_fn};

use crate::{Api, TokenService};

/// What becomes of the token after a 401.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum After401 {
    KeepsIt,
    DropsIt,
}

impl After401 {
    /// What many write first: whoever finds the token expired fetches another, and
    /// everybody else waits for the lock. To be fair, it renews half a minute before
    /// the expiry.
    pub fn behind_a_mutex(self) -> impl FnOnce(Credentials, TokenService, Api) -> Api {
        move |credentials, tokens, api| {
            let slot = Arc::new(Mutex::new(None::<(Token, Instant)>));
            BoxCloneService::new(service_fn(move |mut request: Request<_>| {
                let (held, credentials) = (slot.clone(), credentials.clone());
                let (tokens, api) = (tokens.clone(), api.clone());
                async move {
                    let mut slot = held.lock().await;
                    let token = match &*slot {
                        Some((token, expiry)) if Instant::now() < *expiry => token.clone(),
                        _ => {
                            let token = tokens.oneshot(TokenRequest::new(credentials)).await?;
                            let usable_for =
                                token.lifetime().saturating_sub(Duration::from_secs(30));
                            *slot = Some((token.clone(), Instant::now() + usable_for));
                            token
                        }
                    };
                    drop(slot);
                    let headers = request.headers_mut();
                    headers.insert(AUTHORIZATION, token.header_value().clone());
                    let response = api.oneshot(request).await?;
                    if response.status() == StatusCode::UNAUTHORIZED && self == Self::DropsIt {
                        *held.lock().await = None;
                    }
                    Ok(response)
                }
            }))
        }
    }
}
