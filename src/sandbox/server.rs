//! A server that speaks HTTP/1.1 over TLS.

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service as HyperService;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, yield_now};
use tokio_rustls::TlsAcceptor;

use crate::BoxError;

/// Accepts for ever. The connections' tasks end with this one.
pub(super) async fn serve<S, R>(listener: TcpListener, acceptor: TlsAcceptor, service: S)
where
    S: HyperService<Request<Incoming>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(serve_connection(stream, acceptor.clone(), service.clone()));
            }
            // One client's bad luck, or no file descriptors left for a while.
            Err(_) => yield_now().await,
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Errors end the connection, and the client sees that: nobody else cares.
async fn serve_connection<S, R>(stream: TcpStream, acceptor: TlsAcceptor, service: S)
where
    S: HyperService<Request<Incoming>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body + 'static,
    R::Error: Into<BoxError>,
{
    if let Ok(stream) = acceptor.accept(stream).await {
        let _ = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }
}
