//! Our runtime: an executor with sockets and timers, on an idle set with a driver.

use crate::server::{Runtime, Server, WORKERS};
use async_task::Runnable;
use atomic_parker::driver::{Driver, DriverOr, EventLoop};
use atomic_parker::idle::{Builder, Idle};
use atomic_parker::wait::{Condvar, Key, Sleeper, Wait};
use atomic_parker::{Parker, Spin};
use mio::net::{TcpListener, TcpStream};
use mio::{event::Source, Events, Interest, Poll, Registry, Token};
use std::collections::{BTreeMap, VecDeque};
use std::future::{poll_fn, Future};
use std::io::{ErrorKind, Read, Result, Write};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{self, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// `blocks_on`: beside the workers, another thread of the group waits in `block_on`.
pub fn start(hand_over_after: Duration, blocks_on: bool) -> Server {
    let poll = Poll::new().expect("the system has an event loop");
    let registry = poll.registry().try_clone().expect("a registry can be cloned");
    let net =
        Arc::new(Net { registry, sockets: Mutex::default(), timers: Mutex::default(), last: AtomicUsize::new(0) });
    let interrupter = mio::Waker::new(poll.registry(), INTERRUPTED).expect("an event loop has a waker");
    let counts = Arc::new(Counts::default());
    let event_loop = Loop { poll, events: Events::with_capacity(1024), net: net.clone() };
    let counts_ = counts.clone();
    let interrupt = move || {
        counts_.wakes.fetch_add(1, Relaxed);
        interrupter.wake().expect("the event loop is there");
    };
    let driver = Driver::new(event_loop, interrupt).hand_over_after(hand_over_after);
    let waits = (0..WORKERS).map(|_| Counted { sleeps: Condvar::new(), counts: counts.clone() });
    let (idle, workers) = Builder::with_driver(&driver, waits).build();
    let ours = Ours { net, driver: driver.clone(), idle: idle.clone(), queue: Arc::default() };

    let mut threads = Vec::new();
    for worker in workers {
        let queue = ours.queue.clone();
        threads.push(thread::spawn(move || {
            while let Some(task) = worker.next(|| queue.lock().unwrap().pop_front()) {
                task.run();
            }
        }));
    }
    let (end, ends) = async_channel::bounded::<()>(1);
    if blocks_on {
        let parker = Parker::with_wait(driver.or(Condvar::new())).with_spin(Spin::off());
        threads.push(thread::spawn(move || _ = parker.block_on(ends.recv())));
    }
    let counts = move || [&counts.wakes, &counts.sleeps].map(|count| count.load(Relaxed) as f64);
    Server::start(ours, Box::new(counts), move || {
        idle.close();
        drop(end);
        threads.into_iter().for_each(|thread| thread.join().expect("no task panics"));
    })
}

/// The slow path of a worker that does not poll. It counts.
struct Counted {
    sleeps: Condvar,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    /// Of threads that sleep here, and of the thread in the event loop by another one.
    wakes: AtomicUsize,
    sleeps: AtomicUsize,
}

impl Wait for Counted {
    fn wait(&self, sleeper: &Sleeper<'_>) {
        self.counts.sleeps.fetch_add(1, Relaxed);
        self.sleeps.wait(sleeper);
    }

    fn wake(&self, key: Key<'_>) {
        self.counts.wakes.fetch_add(1, Relaxed);
        self.sleeps.wake(key);
    }
}

/// What waits for the event loop.
struct Net {
    registry: Registry,
    /// By token. A closed socket keeps its place, as a server of a bench has few.
    sockets: Mutex<Vec<Arc<Mutex<Readiness>>>>,
    timers: Mutex<BTreeMap<(Instant, usize), Waker>>,
    /// The number of the last timer.
    last: AtomicUsize,
}

const INTERRUPTED: Token = Token(usize::MAX);

/// A socket is armed once, so it reports an event only when it becomes ready anew.
#[derive(Default)]
struct Readiness {
    ready: bool,
    /// It stays ready from then on.
    closed: bool,
    events: usize,
    waker: Option<Waker>,
}

struct Loop {
    poll: Poll,
    events: Events,
    net: Arc<Net>,
}

impl EventLoop for Loop {
    fn wait(&mut self, until: Option<Instant>) {
        let timer = self.net.timers.lock().unwrap().keys().next().map(|&(at, _)| at);
        let until = until.into_iter().chain(timer).min();
        let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != ErrorKind::Interrupted => panic!("can't wait for events: {error}"),
            _ => {}
        }
    }

    fn deliver(&mut self) {
        let sockets = self.net.sockets.lock().unwrap();
        for event in self.events.iter().filter(|event| event.token() != INTERRUPTED) {
            let mut socket = sockets[event.token().0].lock().unwrap();
            socket.ready = true;
            socket.closed |= event.is_read_closed() || event.is_error();
            socket.events += 1;
            let waker = socket.waker.take();
            drop(socket);
            waker.into_iter().for_each(Waker::wake);
        }
        drop(sockets);
        let mut timers = self.net.timers.lock().unwrap();
        if !timers.is_empty() {
            let later = timers.split_off(&(Instant::now(), usize::MAX));
            let due = std::mem::replace(&mut *timers, later);
            drop(timers);
            due.into_values().for_each(Waker::wake);
        }
    }
}

pub struct Socket<S> {
    socket: S,
    readiness: Arc<Mutex<Readiness>>,
}

impl<S: Source> Socket<S> {
    fn new(net: &Net, mut socket: S) -> Self {
        let readiness = Arc::<Mutex<Readiness>>::default();
        let mut sockets = net.sockets.lock().unwrap();
        let token = Token(sockets.len());
        sockets.push(readiness.clone());
        drop(sockets);
        net.registry.register(&mut socket, token, Interest::READABLE).expect("the event loop is there");
        Self { socket, readiness }
    }

    /// Repeats a call until it would not block. It also returns whether it found that there is no more.
    async fn when_ready<T>(&self, call: impl Fn(&S) -> Result<(T, bool)>) -> Result<T> {
        poll_fn(|cx| loop {
            let mut readiness = self.readiness.lock().unwrap();
            if !readiness.ready {
                readiness.waker = Some(cx.waker().clone());
                return task::Poll::Pending;
            }
            let events = readiness.events;
            drop(readiness);
            let result = call(&self.socket);
            let blocks = matches!(&result, Err(error) if error.kind() == ErrorKind::WouldBlock);
            if blocks || matches!(result, Ok((_, true))) {
                let mut readiness = self.readiness.lock().unwrap();
                readiness.ready = readiness.closed || readiness.events != events;
            }
            if !blocks {
                return task::Poll::Ready(result.map(|(result, _)| result));
            }
        })
        .await
    }
}

type OwnIdle = Idle<DriverOr<Loop, Counted>>;

#[derive(Clone)]
pub struct Ours {
    net: Arc<Net>,
    driver: Driver<Loop>,
    idle: OwnIdle,
    queue: Arc<Mutex<VecDeque<Runnable>>>,
}

impl Runtime for Ours {
    type Listener = Socket<TcpListener>;
    type Stream = Socket<TcpStream>;

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let (idle, queue) = (self.idle.clone(), self.queue.clone());
        let schedule = move |task| {
            queue.lock().unwrap().push_back(task);
            idle.wake_one();
        };
        let (runnable, task) = async_task::spawn(task, schedule);
        task.detach();
        runnable.schedule();
    }

    fn listen(&self, listener: std::net::TcpListener) -> Self::Listener {
        Socket::new(&self.net, TcpListener::from_std(listener))
    }

    async fn accept(&self, listener: &Self::Listener) -> Self::Stream {
        let accepted = listener.when_ready(|listener| Ok((listener.accept()?.0, false))).await;
        Socket::new(&self.net, accepted.expect("a client is there"))
    }

    async fn read(stream: &mut Self::Stream) -> Option<u8> {
        let read = |mut stream: &TcpStream| {
            let mut buffer = [0; 64];
            let count = stream.read(&mut buffer)?;
            Ok((buffer[..count].first().copied(), count < buffer.len()))
        };
        stream.when_ready(read).await.expect("the client is there")
    }

    /// Without `await`: a client sends no request before it has its answer, so the answer fits into the buffer.
    async fn write(stream: &mut Self::Stream, answer: u8) {
        stream.socket.write_all(&[answer]).expect("the client is there, and has its last answer");
    }

    async fn sleep_until(&self, at: Instant) {
        let timer = (at, self.net.last.fetch_add(1, Relaxed));
        poll_fn(|cx| {
            if at <= Instant::now() {
                return task::Poll::Ready(());
            }
            let mut timers = self.net.timers.lock().unwrap();
            timers.insert(timer, cx.waker().clone());
            let is_first = timers.keys().next() == Some(&timer);
            drop(timers);
            if is_first {
                self.driver.interrupt();
            }
            task::Poll::Pending
        })
        .await
    }
}
