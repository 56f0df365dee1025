//! Sockets and timers over `polling` (epoll, kqueue and so on): the event loop, and the futures that wait for it.

use atomic_parker::driver::{Driver, EventLoop};
use polling::{Event, Events, Poller};
use socket2::{Domain, Socket, Type};
use std::collections::{BTreeMap, HashMap};
use std::future::{poll_fn, Future};
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// What tasks wait for. Any thread may add to it, while another one polls.
struct Sources {
    poller: Poller,
    waiting: Mutex<Waiting>,
    last_id: AtomicUsize,
}

#[derive(Default)]
struct Waiting {
    sockets: HashMap<usize, Waker>,
    timers: BTreeMap<(Instant, usize), Waker>,
}

pub struct Reactor {
    sources: Arc<Sources>,
    events: Events,
}

impl EventLoop for Reactor {
    fn wait(&mut self, until: Option<Instant>) {
        let timer = self.sources.waiting.lock().unwrap().timers.keys().next().map(|(at, _)| *at);
        let until = until.into_iter().chain(timer).min();
        let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
        self.events.clear();
        self.sources.poller.wait(&mut self.events, timeout).expect("the poller cannot wait");
    }

    fn deliver(&mut self) {
        let mut woken = Vec::new();
        let mut waiting = self.sources.waiting.lock().unwrap();
        for event in self.events.iter() {
            woken.extend(waiting.sockets.remove(&event.key));
        }
        let now = Instant::now();
        while let Some(timer) = waiting.timers.first_entry().filter(|timer| timer.key().0 <= now) {
            woken.push(timer.remove());
        }
        drop(waiting); // first, as a waker may run any code
        woken.into_iter().for_each(Waker::wake);
    }
}

/// Creates timers and sockets.
#[derive(Clone)]
pub struct Io {
    pub driver: Driver<Reactor>,
    sources: Arc<Sources>,
}

impl Io {
    pub fn new(hand_over_after: Duration) -> io::Result<Self> {
        let sources =
            Arc::new(Sources { poller: Poller::new()?, waiting: Mutex::default(), last_id: AtomicUsize::new(0) });
        let reactor = Reactor { sources: sources.clone(), events: Events::new() };
        let interrupted = sources.clone();
        let interrupter = move || interrupted.poller.notify().expect("the poller cannot be notified");
        Ok(Self { driver: Driver::new(reactor, interrupter).hand_over_after(hand_over_after), sources })
    }

    /// Wakes all tasks that wait for timers and sockets.
    pub fn wake_all(&self) {
        let Waiting { sockets, timers } = mem::take(&mut *self.sources.waiting.lock().unwrap());
        sockets.into_values().chain(timers.into_values()).for_each(Waker::wake);
    }

    pub fn sleep_until(&self, at: Instant) -> Timer {
        Timer { key: (at, self.sources.last_id.fetch_add(1, Relaxed)), io: self.clone() }
    }

    pub fn listen(&self, address: SocketAddr) -> io::Result<(Registered, SocketAddr)> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        Ok((self.register(listener.into())?, address))
    }

    pub async fn connect(&self, address: SocketAddr) -> io::Result<Registered> {
        let stream = self.register(Socket::new(Domain::for_address(address), Type::STREAM, None)?)?;
        stream.socket.set_tcp_nodelay(true)?;
        match stream.socket.connect(&address.into()) {
            Err(error) if error.kind() != ErrorKind::WouldBlock && error.raw_os_error() != Some(libc::EINPROGRESS) => {
                return Err(error);
            }
            _ => {}
        }
        let connected = |socket: &Socket| match (socket.take_error()?, socket.peer_addr()) {
            (Some(error), _) => Err(error),
            (None, Err(error)) if error.kind() == ErrorKind::NotConnected => Err(ErrorKind::WouldBlock.into()),
            (None, peer) => peer.map(drop),
        };
        stream.ready(Event::writable, connected).await?;
        Ok(stream)
    }

    fn register(&self, socket: Socket) -> io::Result<Registered> {
        socket.set_nonblocking(true)?;
        let id = self.sources.last_id.fetch_add(1, Relaxed);
        // SAFETY: The socket is deleted from the poller in `drop`, before it is closed, and it is never moved out.
        unsafe { self.sources.poller.add(&socket, Event::none(id))? };
        Ok(Registered { io: self.clone(), socket, id })
    }
}

/// Ready at a point in time.
pub struct Timer {
    io: Io,
    key: (Instant, usize),
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.key.0 <= Instant::now() {
            return Poll::Ready(());
        }
        let mut waiting = self.io.sources.waiting.lock().unwrap();
        let replaced = waiting.timers.insert(self.key, cx.waker().clone());
        let is_first = waiting.timers.keys().next() == Some(&self.key);
        drop(waiting);
        if is_first && replaced.is_none() {
            // The thread that polls, if there is one, waits for a later timer.
            self.io.driver.interrupt();
        }
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let waker = self.io.sources.waiting.lock().unwrap().timers.remove(&self.key);
        drop(waker);
    }
}

/// A nonblocking TCP socket. One task at a time may wait for it.
pub struct Registered {
    io: Io,
    socket: Socket,
    id: usize,
}

impl Registered {
    /// Repeats a call until it would not block. `event` is `Event::readable` or `Event::writable`.
    async fn ready<T>(
        &self,
        event: fn(usize) -> Event,
        mut call: impl FnMut(&Socket) -> io::Result<T>,
    ) -> io::Result<T> {
        poll_fn(|cx| loop {
            match call(&self.socket) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // Oneshot: the event comes once, also if the socket became ready since the call.
                    let sources = &self.io.sources;
                    let _replaced = sources.waiting.lock().unwrap().sockets.insert(self.id, cx.waker().clone());
                    sources.poller.modify(&self.socket, event(self.id))?;
                    return Poll::Pending;
                }
                done => return Poll::Ready(done),
            }
        })
        .await
    }

    pub async fn accept(&self) -> io::Result<Self> {
        let (socket, _) = self.ready(Event::readable, Socket::accept).await?;
        socket.set_tcp_nodelay(true)?;
        self.io.register(socket)
    }

    /// Fills the buffer. Fails at the end of the stream.
    pub async fn read(&self, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.ready(Event::readable, |mut socket| socket.read(buffer)).await? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => buffer = &mut mem::take(&mut buffer)[count..],
            }
        }
        Ok(())
    }

    pub async fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.ready(Event::writable, |mut socket| socket.write(bytes)).await? {
                0 => return Err(ErrorKind::WriteZero.into()),
                count => bytes = &bytes[count..],
            }
        }
        Ok(())
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.io.sources.poller.delete(&self.socket).expect("registered as long as it lives");
        let waker = self.io.sources.waiting.lock().unwrap().sockets.remove(&self.id);
        drop(waker);
    }
}
