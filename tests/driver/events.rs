//! An event loop over `polling` that the tests share: datagrams and timers call closures.

use crate::watchdog::watch;
use atomic_parker::driver::{Driver, EventLoop};
use polling::{Event, Events, Poller};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Instant;

type Call = Arc<dyn Fn() + Send + Sync>;

/// What the tests and the event loop share.
pub struct Sources {
    poller: Poller,
    sockets: Mutex<Vec<(UdpSocket, Call)>>,
    timers: Mutex<BTreeMap<(Instant, usize), Call>>,
    /// How often `wait` has begun.
    pub polls: AtomicUsize,
    /// The thread of the last poll.
    pub polled_by: Mutex<ThreadId>,
    /// How often it was interrupted.
    pub interrupts: AtomicUsize,
}

pub struct Loop {
    sources: Arc<Sources>,
    events: Events,
}

/// A driver that a watchdog watches, for this thread's test.
pub fn new() -> (Driver<Loop>, Arc<Sources>) {
    let sources = Arc::new(Sources {
        poller: Poller::new().unwrap(),
        sockets: Mutex::default(),
        timers: Mutex::default(),
        polls: AtomicUsize::new(0),
        polled_by: Mutex::new(thread::current().id()),
        interrupts: AtomicUsize::new(0),
    });
    let interrupted = sources.clone();
    let interrupter = move || {
        interrupted.interrupts.fetch_add(1, SeqCst);
        interrupted.poller.notify().unwrap();
    };
    let driver = Driver::new(Loop { sources: sources.clone(), events: Events::new() }, interrupter);
    watch(driver.clone());
    (driver, sources)
}

impl Sources {
    /// Calls `call` for each datagram. Returns a socket to send them with.
    pub fn socket(&self, call: impl Fn() + Send + Sync + 'static) -> UdpSocket {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        sender.connect(receiver.local_addr().unwrap()).unwrap();
        receiver.set_nonblocking(true).unwrap();
        let mut sockets = self.sockets.lock().unwrap();
        // SAFETY: The socket stays in the list, which lives as long as the poller.
        unsafe { self.poller.add(&receiver, Event::readable(sockets.len())).unwrap() };
        sockets.push((receiver, Arc::new(call)));
        sender
    }

    /// Calls `call` at that time. The caller must interrupt the event loop.
    pub fn timer(&self, at: Instant, call: impl Fn() + Send + Sync + 'static) {
        let mut timers = self.timers.lock().unwrap();
        let number = timers.len();
        let key = (number..).map(|number| (at, number)).find(|key| !timers.contains_key(key));
        timers.insert(key.unwrap(), Arc::new(call));
    }
}

impl EventLoop for Loop {
    fn wait(&mut self, until: Option<Instant>) {
        let sources = &self.sources;
        sources.polls.fetch_add(1, SeqCst);
        *sources.polled_by.lock().unwrap() = thread::current().id();
        let timer = sources.timers.lock().unwrap().keys().next().map(|(at, _)| *at);
        let until = until.into_iter().chain(timer).min();
        let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
        self.events.clear();
        sources.poller.wait(&mut self.events, timeout).unwrap();
    }

    fn deliver(&mut self) {
        let sources = &self.sources;
        let mut calls = Vec::new();
        for event in self.events.iter() {
            let sockets = sources.sockets.lock().unwrap();
            let (socket, call) = &sockets[event.key];
            while socket.recv(&mut [0]).is_ok() {
                calls.push(call.clone());
            }
            sources.poller.modify(socket, event).unwrap();
        }
        let mut timers = sources.timers.lock().unwrap();
        let now = Instant::now();
        while let Some(timer) = timers.first_entry().filter(|timer| timer.key().0 <= now) {
            calls.push(timer.remove());
        }
        drop(timers);
        calls.iter().for_each(|call| call());
    }
}

/// Waits until `event` returns true.
pub fn until(mut event: impl FnMut() -> bool) {
    while !event() {
        thread::yield_now();
    }
}

/// Joins threads. Panics if one panicked.
#[track_caller]
pub fn home(threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}
