//! The runtimes that are in use today.

use crate::server::{sockets, Runtime, Server, WORKERS};
use async_executor::Executor;
use async_io::{Async, Timer};
use futures_lite::future::{or, pending};
use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _};
use std::future::Future;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Builder;

const UNKNOWN: [f64; 2] = [f64::NAN; 2];

/// `settings`: what differs from the default.
pub fn tokio(settings: impl FnOnce(&mut Builder) -> &mut Builder) -> Server {
    let mut builder = Builder::new_multi_thread();
    let runtime = settings(builder.worker_threads(WORKERS).enable_all()).build().expect("threads can be started");
    Server::start(runtime.handle().clone(), Box::new(|| UNKNOWN), || drop(runtime))
}

impl Runtime for tokio::runtime::Handle {
    type Listener = tokio::net::TcpListener;
    type Stream = tokio::net::TcpStream;

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::runtime::Handle::spawn(self, task);
    }

    fn listen(&self, listener: TcpListener) -> Self::Listener {
        tokio::net::TcpListener::from_std(listener).expect("tokio registers it")
    }

    sockets!();

    async fn sleep_until(&self, at: Instant) {
        tokio::time::sleep_until(at.into()).await;
    }
}

pub fn async_io() -> Server {
    let executor = Arc::new(Executor::new());
    let (end, ends) = async_channel::bounded::<()>(1);
    let threads: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (executor, ends) = (executor.clone(), ends.clone());
            let until_end = async move { _ = ends.recv().await };
            thread::spawn(move || async_io::block_on(or(until_end, executor.run(pending()))))
        })
        .collect();
    Server::start(executor, Box::new(|| UNKNOWN), move || {
        drop(end);
        threads.into_iter().for_each(|thread| thread.join().expect("no task panics"));
    })
}

impl Runtime for Arc<Executor<'static>> {
    type Listener = Async<TcpListener>;
    type Stream = Async<TcpStream>;

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        Executor::spawn(self, task).detach();
    }

    fn listen(&self, listener: TcpListener) -> Self::Listener {
        Async::new(listener).expect("async-io registers it")
    }

    sockets!();

    async fn sleep_until(&self, at: Instant) {
        Timer::at(at).await;
    }
}
