//! The event loop: I/O, timers, and how a parker sleeps in it.

use atomic_parker::wait::{Key, Sleeper, Wait};
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

/// The slow path of the executor's parker. This is all that it takes.
pub struct SleepInPoller(pub Arc<Reactor>);

impl Wait for SleepInPoller {
    fn wait(&self, sleeper: &Sleeper<'_>) {
        // There is no look at `still_parked`, because `Poller::notify` is sticky: one that comes before the poller
        // sleeps makes it return at once. And once it has returned, this thread no longer sleeps. Saying so before the
        // tasks are woken turns their `unpark`s, which set the token, into a swap each: nothing notifies itself.
        self.0.turn(sleeper.deadline(), || sleeper.leave(false));
    }

    fn wake(&self, _: Key<'_>) {
        self.0.notifications.fetch_add(1, Ordering::Relaxed);
        self.0.poller.notify().expect("the poller cannot be notified");
    }
}

/// A poller, and whom to wake for what.
pub struct Reactor {
    poller: Poller,
    events: Mutex<Events>,
    waiting: Mutex<Waiting>,
    /// How many `unpark`s have reached the poller.
    pub notifications: AtomicU64,
    /// How often the poller was asked.
    pub turns: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    last_id: usize,
    sockets: HashMap<usize, [Option<Waker>; 2]>,
    timers: BTreeMap<(Instant, usize), Waker>,
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

    /// Waits until something happens, but not past `deadline`, calls `awake` and wakes those who waited for it.
    pub fn turn(&self, deadline: Option<Instant>, awake: impl FnOnce()) {
        let mut events = self.events.lock().unwrap();
        let timer = self.waiting.lock().unwrap().timers.keys().next().map(|(at, _)| *at);
        let deadline = deadline.into_iter().chain(timer).min();
        let timeout = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        self.turns.fetch_add(1, Ordering::Relaxed);
        events.clear();
        self.poller.wait(&mut events, timeout).expect("the poller cannot wait");
        awake();

        let mut woken = Vec::new();
        let mut waiting = self.waiting.lock().unwrap();
        for event in events.iter() {
            // Oneshot: the socket is now disarmed for both directions. Whoever still needs its own arms it again.
            woken.extend(waiting.sockets.get_mut(&event.key).into_iter().flatten().filter_map(Option::take));
        }
        let now = Instant::now();
        while let Some(timer) = waiting.timers.first_entry().filter(|timer| timer.key().0 <= now) {
            woken.push(timer.remove());
        }
        // Unlocked first: a waker may run anything.
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

    /// Does what a nonblocking call does, as soon as it would not block.
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

    /// Has the waker called when the socket is ready, even if it has become so since the call that would have blocked.
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
        // A task on the thread that sleeps in the poller sets it, so the next turn sees it: nobody to be notified.
        let replaced = self.reactor.waiting.lock().unwrap().timers.insert(self.key, cx.waker().clone());
        drop(replaced);
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let waker = self.reactor.waiting.lock().unwrap().timers.remove(&self.key);
        drop(waker);
    }
}
