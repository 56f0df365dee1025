//! The server: its tasks, which are the same for all runtimes.

use futures_lite::future::or;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{mpsc, Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The number of threads of each server.
pub const WORKERS: usize = 4;

/// Requests are bytes, and are sent back. Before it sends this one back, a handler blocks its thread.
pub const BLOCK: u8 = 1;

/// For how long.
const BLOCKED: Duration = Duration::from_millis(40);

/// A handle to an executor with sockets and timers.
pub trait Runtime: Clone + Send + Sync + 'static {
    type Listener: Send + Sync;
    type Stream: Send;

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);

    /// Called within a task. The socket does not block.
    fn listen(&self, listener: TcpListener) -> Self::Listener;

    fn accept(&self, listener: &Self::Listener) -> impl Future<Output = Self::Stream> + Send;

    /// `None` at the end of the stream.
    fn read(stream: &mut Self::Stream) -> impl Future<Output = Option<u8>> + Send;

    fn write(stream: &mut Self::Stream, answer: u8) -> impl Future<Output = ()> + Send;

    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + Send;
}

/// The methods that are called alike in all of them, but are of different traits.
macro_rules! sockets {
    () => {
        async fn accept(&self, listener: &Self::Listener) -> Self::Stream {
            listener.accept().await.expect("a client is there").0
        }

        async fn read(stream: &mut Self::Stream) -> Option<u8> {
            let mut buffer = [0; 64];
            let count = stream.read(&mut buffer).await.expect("the client is there");
            buffer[..count].first().copied()
        }

        async fn write(stream: &mut Self::Stream, answer: u8) {
            stream.write_all(&[answer]).await.expect("the client is there");
        }
    };
}
pub(crate) use sockets;

/// What a runtime counts, and others don't report: wakes and sleeps of threads elsewhere than in the event loop.
pub type Counts = Box<dyn Fn() -> [f64; 2]>;

pub struct Server {
    pub address: SocketAddr,
    pub counts: Counts,
    sleep: Box<dyn Fn(Vec<Instant>) -> Vec<f64>>,
    /// Without it no client is accepted any more.
    accepts: Option<async_channel::Sender<()>>,
    /// Disconnected when no task is left.
    tasks: mpsc::Receiver<()>,
    end: Option<Box<dyn FnOnce()>>,
}

impl Server {
    /// `end` ends the threads of the runtime.
    pub fn start<R: Runtime>(runtime: R, counts: Counts, end: impl FnOnce() + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        listener.set_nonblocking(true).expect("a socket can be made nonblocking");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (accepts, closed) = async_channel::bounded(1);
        let (task, tasks) = mpsc::channel();
        runtime.spawn(serve(runtime.clone(), listener, closed, task));
        let sleep = Box::new(move |ends| sleep(&runtime, ends));
        Self { address, counts, sleep, accepts: Some(accepts), tasks, end: Some(Box::new(end)) }
    }

    /// Spawns a task with a timer for each of these times; returns by how many nanoseconds each of them was late.
    pub fn sleep(&self, ends: Vec<Instant>) -> Vec<f64> {
        (self.sleep)(ends)
    }
}

/// By now all clients have hung up.
impl Drop for Server {
    fn drop(&mut self) {
        self.accepts = None;
        self.tasks.recv().expect_err("nothing is sent");
        self.end.take().into_iter().for_each(|end| end());
    }
}

async fn serve<R: Runtime>(
    runtime: R,
    listener: TcpListener,
    closed: async_channel::Receiver<()>,
    task: mpsc::Sender<()>,
) {
    let listener = runtime.listen(listener);
    let accept = || or(async { Some(runtime.accept(&listener).await) }, async { closed.recv().await.ok().and(None) });
    while let Some(mut stream) = accept().await {
        let task = task.clone();
        runtime.spawn(async move {
            while let Some(request) = R::read(&mut stream).await {
                if request == BLOCK {
                    thread::sleep(BLOCKED);
                }
                R::write(&mut stream, request).await;
            }
            drop(task);
        });
    }
}

fn sleep<R: Runtime>(runtime: &R, ends: Vec<Instant>) -> Vec<f64> {
    let late = Arc::new(Mutex::new(Vec::with_capacity(ends.len())));
    let (task, tasks) = mpsc::channel::<()>();
    for end in ends {
        let (runtime_, late, task) = (runtime.clone(), late.clone(), task.clone());
        runtime.spawn(async move {
            runtime_.sleep_until(end).await;
            late.lock().unwrap().push(end.elapsed().as_nanos() as f64);
            drop(task);
        });
    }
    drop(task);
    tasks.recv().expect_err("nothing is sent");
    let late = std::mem::take(&mut *late.lock().unwrap());
    late
}
