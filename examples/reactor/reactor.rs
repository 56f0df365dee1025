//! The event loop: I/O and timers, over `polling` (epoll, kqueue and so on).

use polling::{Event, Events, Poller};
use socket2::Socket;
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// A poller, and the wakers for its events and timers.
pub struct Reactor {
    poller: Poller,
    events: Mutex<Events>,
    waiting: Mutex<Waiting>,
    /// The number of notifications of a polling thread: a system call each.
    pub notifications: AtomicU64,
    /// The number of calls of the poller.
    pub turns: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    last_id: usize,
    sockets: HashMap<usize, [Option<Waker>; 2]>,
    timers: BTreeMap<(Instant, usize), Waker>,
    /// If a thread polls: its deadline, or `None` for ever.
    polls_until: Option<Option<Instant>>,
}

impl Waiting {
    fn next_id(&mut self) -> usize {
        self.last_id += 1;
        self.last_id
    }
}

impl Reactor {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            poller: Poller::new()?,
            events: Mutex::new(Events::new()),
            waiting: Mutex::default(),
            notifications: AtomicU64::new(0),
            turns: AtomicU64::new(0),
        })
    }

    /// Makes the polling thread return at once, or the next one if none polls.
    pub fn notify(&self) {
        self.notifications.fetch_add(1, Ordering::Relaxed);
        self.poller.notify().expect("the poller cannot be notified");
    }

    /// Waits for I/O and timers, but not past `deadline`; calls `awake`; then wakes the tasks that waited for them.
    ///
    /// One thread at a time polls.
    pub fn turn(&self, deadline: Option<Instant>, awake: impl FnOnce()) {
        let mut events = self.events.lock().unwrap();
        let mut waiting = self.waiting.lock().unwrap();
        let timer = waiting.timers.keys().next().map(|(at, _)| *at);
        let deadline = deadline.into_iter().chain(timer).min();
        waiting.polls_until = Some(deadline);
        drop(waiting);
        let timeout = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        self.turns.fetch_add(1, Ordering::Relaxed);
        events.clear();
        self.poller.wait(&mut events, timeout).expect("the poller cannot wait");
        awake();

        let mut woken = Vec::new();
        let mut waiting = self.waiting.lock().unwrap();
        waiting.polls_until = None;
        for event in events.iter() {
            // Oneshot: the event disarmed the socket for both directions. A task that still waits arms it again.
            woken.extend(waiting.sockets.get_mut(&event.key).into_iter().flatten().filter_map(Option::take));
        }
        let now = Instant::now();
        while let Some(timer) = waiting.timers.first_entry().filter(|timer| timer.key().0 <= now) {
            woken.push(timer.remove());
        }
        // Unlocked first, as a waker may run any code.
        drop((waiting, events));
        woken.into_iter().for_each(Waker::wake);
    }
}

#[derive(Clone, Copy)]
pub enum Direction {
    Read,
    Write,
}

/// A nonblocking socket, registered for as long as it lives.
pub struct Registered {
    reactor: Arc<Reactor>,
    socket: Socket,
    id: usize,
}

impl Registered {
    pub fn new(reactor: Arc<Reactor>, socket: Socket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let id = reactor.waiting.lock().unwrap().next_id();
        // SAFETY: The socket is deleted from the poller in `drop`, before it is closed, and it is never moved out.
        unsafe { reactor.poller.add(&socket, Event::none(id))? };
        reactor.waiting.lock().unwrap().sockets.insert(id, [None, None]);
        Ok(Self { reactor, socket, id })
    }

    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Repeats a nonblocking call until it would not block.
    pub async fn ready<T>(
        &self,
        direction: Direction,
        mut call: impl FnMut(&Socket) -> io::Result<T>,
    ) -> io::Result<T> {
        std::future::poll_fn(|cx| loop {
            match call(&self.socket) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.arm(direction, cx.waker())?;
                    return Poll::Pending;
                }
                done => return Poll::Ready(done),
            }
        })
        .await
    }

    /// Registers the waker for when the socket is ready, even if it became ready since the call that would have blocked.
    fn arm(&self, direction: Direction, waker: &Waker) -> io::Result<()> {
        let mut waiting = self.reactor.waiting.lock().unwrap();
        let wakers = waiting.sockets.get_mut(&self.id).expect("registered as long as it lives");
        wakers[direction as usize] = Some(waker.clone());
        let [readable, writable] = [0, 1].map(|direction| wakers[direction].is_some());
        self.reactor.poller.modify(&self.socket, Event::new(self.id, readable, writable))
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.reactor.poller.delete(&self.socket).expect("registered as long as it lives");
        let wakers = self.reactor.waiting.lock().unwrap().sockets.remove(&self.id);
        drop(wakers);
    }
}

/// Ready at a point in time.
pub struct Timer {
    reactor: Arc<Reactor>,
    key: (Instant, usize),
}

impl Timer {
    pub fn after(reactor: Arc<Reactor>, duration: Duration) -> Self {
        let id = reactor.waiting.lock().unwrap().next_id();
        Self { reactor, key: (Instant::now() + duration, id) }
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.key.0 <= Instant::now() {
            return Poll::Ready(());
        }
        let mut waiting = self.reactor.waiting.lock().unwrap();
        let replaced = waiting.timers.insert(self.key, cx.waker().clone());
        // With several workers, another worker may be polling. It has to return for an earlier timer.
        let too_late = waiting.polls_until.is_some_and(|until| until.is_none_or(|until| until > self.key.0));
        drop(waiting);
        drop(replaced);
        if too_late {
            self.reactor.notify();
        }
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let waker = self.reactor.waiting.lock().unwrap().timers.remove(&self.key);
        drop(waker);
    }
}
