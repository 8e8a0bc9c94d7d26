//! Servers that are no Redis, or a sick one, and a way to one that breaks.
#![allow(unreachable_pub)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a fake server does with a connection.
#[derive(Clone, Copy, Debug)]
pub enum Manner {
    /// Answers whatever comes.
    Says(&'static str),
    /// Answers nothing.
    IsSilent,
    /// Knows no script, and lets none write that has looked at the clock.
    IsOfVersion3,
    Closes,
    /// Reads, answers half of something, and closes.
    Stops(&'static str),
}

pub struct FakeServer {
    pub url: String,
    task: JoinHandle<()>,
}

impl FakeServer {
    pub async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(behave(stream, manner));
            }
        });
        Self { url, task }
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn behave(mut stream: TcpStream, manner: Manner) {
    let mut read = [0; 16 * 1024];
    match manner {
        Manner::Closes => {}
        Manner::IsSilent => while stream.read(&mut read).await.is_ok_and(|n| n > 0) {},
        Manner::Says(answer) => {
            while stream.read(&mut read).await.is_ok_and(|n| n > 0) {
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    break;
                }
            }
        }
        Manner::IsOfVersion3 => {
            while let Ok(length @ 1..) = stream.read(&mut read).await {
                let is_by_hash = read[..length].windows(7).any(|word| word == b"EVALSHA");
                let answer = match is_by_hash {
                    true => "-NOSCRIPT No matching script. Please use EVAL.\r\n",
                    false => NOT_DETERMINISTIC,
                };
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    break;
                }
            }
        }
        Manner::Stops(answer) => {
            let _ = stream.read(&mut read).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    }
}

const NOT_DETERMINISTIC: &str = "-ERR Error running script (call to f_0123456789abcdef): \
     @user_script:70: @user_script: 70: Write commands not allowed after non deterministic \
     commands\r\n";

/// A load balancer in front of a Redis, which forgets connections without a word.
pub struct Balancer {
    pub url: String,
    connections: Arc<AtomicUsize>,
    /// Connections of a number beneath this lead nowhere any more.
    forgotten: Arc<tokio::sync::watch::Sender<usize>>,
    task: JoinHandle<()>,
}

impl Balancer {
    pub async fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let (forgotten, _) = tokio::sync::watch::channel(0);
        let forgotten = Arc::new(forgotten);
        let (count, forget) = (connections.clone(), forgotten.clone());
        let task = tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let number = count.fetch_add(1, Ordering::SeqCst);
                let mut forgotten = forget.subscribe();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    let is_forgotten = async {
                        drop(forgotten.wait_for(|beneath| number < *beneath).await);
                    };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        () = is_forgotten => {
                            // Neither end hears of it.
                            std::future::pending::<()>().await;
                        }
                    }
                });
            }
        });
        Self {
            url,
            connections,
            forgotten,
            task,
        }
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// All connections so far lead nowhere from now on.
    pub fn forget(&self) {
        self.forgotten.send_replace(self.connections());
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
