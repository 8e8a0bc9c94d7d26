//! Connections to a Redis: by a URL, over TLS with this crate's own set-up.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

use super::script::describe;
use crate::shared_tokens::store::StoreError;
use crate::{Error, ErrorKind};

/// Where a Redis is, and as whom to talk to it.
pub(in super::super) struct Address {
    socket: Socket,
    login: RedisConnectionInfo,
}

enum Socket {
    Tcp {
        host: String,
        port: u16,
        tls: Option<Tls>,
    },
    #[cfg_attr(not(unix), expect(dead_code, reason = "there are none"))]
    Unix(PathBuf),
}

/// Made by the first connection, so that a URL alone can't fail for it.
#[derive(Default)]
struct Tls {
    config: OnceLock<Arc<ClientConfig>>,
}

impl Address {
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] if it is no such URL. It is not echoed: it may
    /// have a password in it.
    pub(in super::super) fn parse(url: &str) -> Result<Self, Error> {
        let invalid = |what| Error::new(ErrorKind::Configuration, what);
        let mut url = redis::parse_redis_url(url).ok_or_else(|| invalid(NO_URL))?;
        // The Redis client's own TLS lets rustls guess at a provider, so it is
        // compiled without: it sees the URL as one without TLS.
        let plain = match url.scheme() {
            "rediss" => Some("redis"),
            "valkeys" => Some("valkey"),
            _ => None,
        };
        let tls = plain.map(|_| Tls::default());
        if let Some(plain) = plain {
            url.set_scheme(plain).map_err(|()| invalid(NO_URL))?;
        }
        if url.fragment().is_some() {
            return Err(invalid(FRAGMENT));
        }
        // Its error may quote a part of the URL.
        let info = url.into_connection_info().map_err(|_| invalid(NO_URL))?;
        let socket = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Socket::Tcp {
                host: host.clone(),
                port: *port,
                tls,
            },
            ConnectionAddr::Unix(path) => Socket::Unix(path.clone()),
            _ => return Err(invalid(NO_URL)),
        };
        // Two commands for each connection, of no use to anyone.
        let login = info.redis_settings().clone().set_skip_set_lib_name();
        Ok(Self { socket, login })
    }

    pub(super) async fn open(&self) -> Result<Connection, StoreError> {
        match &self.socket {
            Socket::Tcp { host, port, tls } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await;
                let stream = stream.map_err(|error| unreachable(&error.kind()))?;
                // Commands are short, and each waits for its answer.
                let _ = stream.set_nodelay(true);
                match tls {
                    Some(tls) => self.log_in(tls.secure(host, stream).await?).await,
                    None => self.log_in(stream).await,
                }
            }
            #[cfg(unix)]
            Socket::Unix(path) => {
                let stream = tokio::net::UnixStream::connect(path).await;
                self.log_in(stream.map_err(|error| unreachable(&error.kind()))?)
                    .await
            }
            #[cfg(not(unix))]
            Socket::Unix(_) => Err(unreachable(&"there are no Unix sockets here")),
        }
    }

    async fn log_in<C>(&self, stream: C) -> Result<Connection, StoreError>
    where
        C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // How long is the caller's business.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let opening = MultiplexedConnection::new_with_config(&self.login, stream, config);
        let (commands, driver) = opening.await.map_err(|error| describe(&error))?;
        Ok(Connection {
            commands: Box::new(commands),
            driver: Some(tokio::spawn(driver).abort_handle()),
        })
    }
}

impl Tls {
    async fn secure(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + use<>, StoreError> {
        let config = match self.config.get() {
            Some(config) => config.clone(),
            None => {
                let config =
                    crate::tls::client_config().map_err(|_| unsafe_way("it can't be set up"))?;
                self.config.get_or_init(|| Arc::new(config)).clone()
            }
        };
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| unsafe_way("the URL's host is none that a certificate can be for"))?;
        let stream = TlsConnector::from(config).connect(name, stream).await;
        stream.map_err(|error| match error.get_ref() {
            Some(tls) if crate::error::is_bad_certificate(tls) => {
                unsafe_way("the server's certificate is not trusted")
            }
            _ => unsafe_way(&error.kind()),
        })
    }
}

/// A connection, which its end closes.
pub(super) struct Connection {
    pub(super) commands: Box<dyn ConnectionLike + Send>,
    /// What moves its bytes: it would wait for answers that nobody wants any more.
    driver: Option<AbortHandle>,
}

impl Connection {
    /// One that a user made.
    pub(super) fn foreign(commands: impl ConnectionLike + Send + 'static) -> Self {
        Self {
            commands: Box::new(commands),
            driver: None,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(driver) = &self.driver {
            driver.abort();
        }
    }
}

fn unreachable(what: &dyn Display) -> StoreError {
    StoreError(format!("it can't be reached: {what}"))
}

fn unsafe_way(what: &(impl Display + ?Sized)) -> StoreError {
    StoreError(format!("no TLS with it: {what}"))
}

const NO_URL: &str = "this is no URL of a Redis: \
     redis://[user:password@]host[:port][/database], rediss:// for TLS, or unix:///path";
const FRAGMENT: &str = "a Redis URL with a fragment: \
     certificates are always verified, and nothing else can be said there";
