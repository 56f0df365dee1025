//! A single-threaded executor which sleeps in the reactor, and what its tasks call.

use crate::reactor::{Direction, Reactor, Registered, SleepInPoller, Timer};
use async_task::{Runnable, Task};
use atomic_parker::{block_on, Parker, Unparker};
use futures_lite::future::or;
use socket2::{Domain, Socket, Type};
use std::future::Future;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{mpsc, Arc};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// After so many tasks in a row, the executor looks for I/O even if there are more to run.
const TASKS_PER_TURN: usize = 64;

/// Runs tasks on the thread that calls `run`, in the order in which they are woken.
pub struct Executor {
    parker: Parker<SleepInPoller>,
    runnable: mpsc::Receiver<Runnable>,
    handle: Handle,
}

impl Executor {
    pub fn new() -> io::Result<Self> {
        let reactor = Arc::new(Reactor::new()?);
        let parker = Parker::with_wait(SleepInPoller(reactor.clone()));
        let (queue, runnable) = mpsc::channel();
        let scheduler = Scheduler { queue, unparker: parker.unparker(), thread: thread::current().id() };
        Ok(Self { parker, runnable, handle: Handle { reactor, scheduler, unparks: Arc::default() } })
    }

    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs a future and all that it spawns, until the future is done.
    pub fn run<T: Send + 'static>(self, main: impl Future<Output = T> + Send + 'static) -> T {
        let main = self.handle.spawn(main);
        loop {
            // A task is queued before its `unpark`. So one that this misses has left a token, and the park returns.
            for (ran, task) in self.runnable.try_iter().enumerate() {
                task.run();
                if ran % TASKS_PER_TURN == TASKS_PER_TURN - 1 {
                    self.handle.reactor.turn(Some(Instant::now()), || {});
                }
            }
            if main.is_finished() {
                return block_on(main);
            }
            self.parker.park();
        }
    }
}

/// Spawns tasks, and makes what they wait for.
#[derive(Clone)]
pub struct Handle {
    reactor: Arc<Reactor>,
    scheduler: Scheduler,
    unparks: Arc<Unparks>,
}

#[derive(Clone)]
struct Scheduler {
    queue: mpsc::Sender<Runnable>,
    unparker: Unparker<SleepInPoller>,
    thread: ThreadId,
}

#[derive(Default)]
struct Unparks {
    all: AtomicU64,
    by_other_threads: AtomicU64,
}

pub struct Counts {
    pub unparks: u64,
    pub by_other_threads: u64,
    pub notifications: u64,
    pub turns: u64,
}

impl Handle {
    pub fn spawn<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> Task<T> {
        let (scheduler, unparks) = (self.scheduler.clone(), self.unparks.clone());
        let (runnable, task) = async_task::spawn(future, move |runnable| {
            unparks.all.fetch_add(1, Ordering::Relaxed);
            if thread::current().id() != scheduler.thread {
                unparks.by_other_threads.fetch_add(1, Ordering::Relaxed);
            }
            // Fails if the executor is gone. Then nobody is left to run it, and dropping it cancels the task.
            let _ = scheduler.queue.send(runnable);
            scheduler.unparker.unpark();
        });
        runnable.schedule();
        task
    }

    pub fn sleep(&self, duration: Duration) -> Timer {
        Timer::after(self.reactor.clone(), duration)
    }

    /// Runs a future for no longer than `limit`.
    pub async fn timeout<T>(&self, limit: Duration, future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let time_up = async {
            self.sleep(limit).await;
            Err(ErrorKind::TimedOut.into())
        };
        or(future, time_up).await
    }

    pub fn listen(&self, address: SocketAddr) -> io::Result<Listener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        // Elsewhere than on Unix, this would allow to steal a port that is in use.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(1024)?;
        let address = socket.local_addr()?.as_socket().ok_or(ErrorKind::Unsupported)?;
        Ok(Listener { address, socket: Registered::new(self.reactor.clone(), socket)?, handle: self.clone() })
    }

    pub async fn connect(&self, address: SocketAddr) -> io::Result<Stream> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        match socket.connect(&address.into()) {
            Err(error) if error.kind() != ErrorKind::WouldBlock && error.raw_os_error() != Some(libc::EINPROGRESS) => {
                return Err(error);
            }
            _ => {}
        }
        let stream = self.stream(socket)?;
        let connected = |socket: &Socket| match socket.take_error()? {
            Some(error) => Err(error),
            None => match socket.peer_addr() {
                Err(error) if error.kind() == ErrorKind::NotConnected => Err(ErrorKind::WouldBlock.into()),
                other => other.map(drop),
            },
        };
        stream.0.ready(Direction::Write, connected).await?;
        Ok(stream)
    }

    fn stream(&self, socket: Socket) -> io::Result<Stream> {
        socket.set_tcp_nodelay(true)?;
        Ok(Stream(Registered::new(self.reactor.clone(), socket)?))
    }

    pub fn counts(&self) -> Counts {
        let [unparks, by_other_threads, notifications, turns] =
            [&self.unparks.all, &self.unparks.by_other_threads, &self.reactor.notifications, &self.reactor.turns]
                .map(|counter| counter.load(Ordering::Relaxed));
        Counts { unparks, by_other_threads, notifications, turns }
    }
}

pub struct Listener {
    pub address: SocketAddr,
    socket: Registered,
    handle: Handle,
}

impl Listener {
    pub async fn accept(&self) -> io::Result<Stream> {
        let (socket, _) = self.socket.ready(Direction::Read, Socket::accept).await?;
        self.handle.stream(socket)
    }
}

/// A TCP connection.
pub struct Stream(Registered);

impl Stream {
    /// Reads as much as fits, and returns how much that was: less only at the end of the stream.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.ready(Direction::Read, |mut socket| socket.read(&mut buffer[filled..])).await? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    pub async fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.0.ready(Direction::Write, |mut socket| socket.write(bytes)).await? {
                0 => return Err(ErrorKind::WriteZero.into()),
                count => bytes = &bytes[count..],
            }
        }
        Ok(())
    }

    /// Closes the connection at once, and tells the other side that something was lost.
    pub fn reset(self) -> io::Result<()> {
        self.0.socket().set_linger(Some(Duration::ZERO))
    }
}
