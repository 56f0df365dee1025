//! The functions for the tasks of both forms: spawn, sleep, connect, accept, read and write.

use crate::reactor::{Direction, Reactor, Registered, Timer};
use async_task::{Runnable, Task};
use futures_lite::future::or;
use socket2::{Domain, Socket, Type};
use std::future::Future;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// An executor, of either form.
pub trait Run {
    fn handle(&self) -> &Handle;

    /// Runs a future and the tasks that it spawns, until the future is done. Returns its output and the executor's figures.
    fn run<T: Send + 'static>(self, main: impl Future<Output = T> + Send + 'static) -> (T, String);
}

/// Spawns tasks, and creates timers and sockets.
#[derive(Clone)]
pub struct Handle {
    reactor: Arc<Reactor>,
    schedule: Arc<dyn Fn(Runnable) + Send + Sync>,
}

impl Handle {
    pub fn new(reactor: Arc<Reactor>, schedule: impl Fn(Runnable) + Send + Sync + 'static) -> Self {
        Self { reactor, schedule: Arc::new(schedule) }
    }

    pub fn reactor(&self) -> &Reactor {
        &self.reactor
    }

    pub fn spawn<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> Task<T> {
        let schedule = self.schedule.clone();
        let (runnable, task) = async_task::spawn(future, move |runnable| schedule(runnable));
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
        // On Unix only: elsewhere, it would allow to take over a port that is in use.
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
    /// Fills the buffer, and returns the number of bytes: fewer only at the end of the stream.
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

    /// Closes the connection by a reset.
    pub fn reset(self) -> io::Result<()> {
        self.0.socket().set_linger(Some(Duration::ZERO))
    }
}
