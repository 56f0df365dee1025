//! The driver: one event loop for several parkers, one of which sleeps in it at a time.
//!
//! An executor has timers and sockets besides its tasks. While threads are idle, one of them sleeps in the event loop, that is,
//! in `epoll`, `kqueue` or the like, and the others in their parkers. A [`Driver`] decides which one, wakes it there, and has
//! another one take over if it is busy with a task.
//!
//! ```
//! use atomic_parker::driver::{Driver, EventLoop};
//! use atomic_parker::{wait, Parker, Spin, Unparker};
//! use std::sync::mpsc::{self, RecvTimeoutError};
//! use std::time::Instant;
//!
//! /// An event loop whose events are messages: each is a parker to wake, or `None` to end `wait`.
//! struct Messages(mpsc::Receiver<Option<Unparker>>, Vec<Unparker>);
//!
//! impl EventLoop for Messages {
//!     fn wait(&mut self, until: Option<Instant>) {
//!         let event = match until {
//!             Some(until) => self.0.recv_timeout(until.saturating_duration_since(Instant::now())),
//!             None => self.0.recv().map_err(|_| RecvTimeoutError::Disconnected),
//!         };
//!         self.1.extend(event.ok().flatten());
//!     }
//!
//!     fn deliver(&mut self) {
//!         self.1.drain(..).for_each(|unparker| drop(unparker.unpark()));
//!     }
//! }
//!
//! let (sender, receiver) = mpsc::channel();
//! let interrupter = sender.clone();
//! let driver = Driver::new(Messages(receiver, Vec::new()), move || drop(interrupter.send(None)));
//!
//! // The first of these threads to sleep does so in the event loop, the second one in its condition variable.
//! let threads: Vec<_> = (0..2)
//!     .map(|_| {
//!         let parker = Parker::with_wait(driver.or(wait::Condvar::new())).with_spin(Spin::off());
//!         let unparker = parker.unparker();
//!         (std::thread::spawn(move || parker.park()), unparker)
//!     })
//!     .collect();
//! for (thread, unparker) in threads {
//!     unparker.unpark();
//!     thread.join().unwrap();
//! }
//! ```
//!
//! # The guarantee
//!
//! **Events do not wait while a thread is idle.** While a parker of the driver's group sleeps, the event loop is polled, or will
//! be within [`hand_over_after`](Driver::hand_over_after), however long the thread that polled last runs a task. It holds
//! under three conditions: the time is not `Duration::MAX`, the event loop's `deliver` returns, and no parker of the group spins (see [`Spin::off`](crate::Spin::off)).
//!
//! # Who polls
//!
//! - A thread that goes to sleep polls if no other one does. It polls again and again until its parker has the token.
//! - A thread that stops polling, because it has a task to run for example, makes a sleeping thread the *standby*. If the event loop
//!   was seldom left lately, the standby polls at once. Otherwise it does so once no thread has polled for `hand_over_after`.
//!   So a thread that often polls and runs short tasks in between wakes no other one each time, and a task that takes long delays events by that time at most.
//!   A thread that goes to sleep while the event loop is often left may become the standby by itself: then none has to be woken for it.
//! - In an idle process, one thread is in the event loop, and no thread wakes up periodically.
//! - A busy thread can look for events without waiting: [`Driver::poll_now`].
//!
//! # Timers
//!
//! The event loop keeps them: its `wait` returns when the first one is due, and `deliver` runs those that are due. A thread that
//! adds a timer which is due before all others calls [`Driver::interrupt`] after the timer is visible, so that the polling thread looks again.
//!
//! # Fork
//!
//! In a child of `fork`, a driver of the parent is dead: create another one there.
//!
//! # Orderings
//!
//! They stand in `role.rs`, with the table of its transitions. Here there are none: the event loop is behind a lock that only the holder of the role takes.

mod polled;
mod role;

pub(crate) use polled::Polled;

use crate::atomic_parker::{AtomicParker, Sleepers};
use crate::sync::{has_passed, lock, now, Mutex};
use crate::wait::{Condvar, Key, Sleeper, Wait};
use polled::Polling;
use role::{Bed, Member, Role, Turn};
use std::fmt;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe, RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An event loop: waits for events and timers, and wakes the tasks that they are for.
///
/// Only one thread at a time is in it, so both methods have it for themselves.
///
/// # Panics
///
/// If a method panics, another thread takes over the event loop, and the panic reaches the caller of the park, which takes no token.
///
/// # Examples
///
/// See the [module](self), and `examples/reactor` for one with timers and sockets.
pub trait EventLoop {
    /// Waits for events: until there is one, until a timer is due, until `until`, or until the interrupter was called, also before
    /// this call.
    ///
    /// `None` is no limit. It does not wait if `until` is in the past. It may return early, for any reason.
    fn wait(&mut self, until: Option<Instant>);

    /// Wakes the tasks of the events that `wait` has found, and of the timers that are due.
    ///
    /// Called on the same thread, right after `wait`. It should return soon, as no other thread polls meanwhile, and run no task. It may
    /// unpark parkers and announce work. It must not park on a parker of the same group, which may sleep until `deliver` returns.
    fn deliver(&mut self);
}

/// How long no thread polls beside a sleeping one, unless [`Driver::hand_over_after`] says otherwise.
const HAND_OVER_AFTER: Duration = Duration::from_millis(1);

/// A handle to an event loop that a group of parkers shares. A clone is a handle to the same one.
///
/// The group are the workers of all sets [`with_driver`](crate::idle::Idle::with_driver), and all parkers on a slow path that [`or`](Driver::or)
/// made. The event loop is dropped with the last of these and the last handle: see [what keeps it alive](crate::docs::io#a-start).
///
/// # Memory ordering
///
/// What came before a call of [`interrupt`](Driver::interrupt) is visible to the event loop's next `wait`.
/// The driver orders nothing else but each use of the event loop before the next one.
///
/// # Cost
///
/// A thread that polls once takes three locks, without contention in most cases. An `unpark` that finds its thread in the event loop calls the
/// interrupter. One that finds it elsewhere is as on the slow path `W`, with one fence and two atomic steps more. If the thread is awake, it
/// costs nothing more than on any other slow path.
///
/// # Panics
///
/// No method panics by itself. A panic of the event loop or the interrupter reaches the caller. After one of the interrupter,
/// a thread that waits in the event loop sees its token, or the timer, once `wait` returns.
///
/// # Examples
///
/// See the [module](self).
pub struct Driver<E> {
    shared: Arc<Shared<E>>,
}

struct Shared<E> {
    role: Role,
    event_loop: Mutex<E>,
    interrupter: Box<dyn Fn() + Send + Sync>,
}

impl<E> Driver<E> {
    /// Creates a driver of this event loop.
    ///
    /// `interrupter` ends a `wait` of the event loop: the one that goes on, or else the next one, as `polling`'s `notify` and mio's
    /// `Waker` do. Any thread may call it at any time, also within `deliver`.
    ///
    /// # Examples
    ///
    /// See the [module](self).
    #[must_use]
    pub fn new(event_loop: E, interrupter: impl Fn() + Send + Sync + 'static) -> Self {
        let role = Role::new(HAND_OVER_AFTER);
        let (event_loop, interrupter) = (Mutex::new(event_loop), Box::new(interrupter));
        Self { shared: Arc::new(Shared { role, event_loop, interrupter }) }
    }

    /// Sets for how long, at most, the event loop may be left alone beside a sleeping thread: 1 ms if this is not called.
    ///
    /// With `Duration::ZERO`, each thread that stops polling wakes another one, which costs a wake-up per event. With
    /// `Duration::MAX`, none is woken for a thread that runs a task: events wait until a thread goes to sleep, and the
    /// [guarantee](self#the-guarantee) does not hold. It counts for the whole group, and at once. It may be called at any time, on a clone. Takes a lock for a moment.
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::driver::{Driver, EventLoop};
    /// use std::time::{Duration, Instant};
    ///
    /// # struct NoEvents;
    /// # impl EventLoop for NoEvents {
    /// #     fn wait(&mut self, _: Option<Instant>) {}
    /// #     fn deliver(&mut self) {}
    /// # }
    /// let driver = Driver::new(NoEvents, || ()).hand_over_after(Duration::from_micros(500));
    /// assert!(!driver.is_polled());
    /// ```
    #[must_use]
    pub fn hand_over_after(self, time: Duration) -> Self {
        self.shared.role.set_hand_over_after(time).wake();
        self
    }

    /// Creates a slow path for a parker of the group: sleeps in the event loop if no other thread does, and otherwise in `wait`.
    ///
    /// Use it with [`Spin::off`](crate::Spin::off): a thread that spins does not poll.
    ///
    /// # Examples
    ///
    /// See the [module](self).
    #[must_use]
    pub fn or<W: Wait + Send + Sync + 'static>(&self, wait: W) -> DriverOr<E, W> {
        DriverOr { driver: self.clone(), own: Arc::new(Own(AtomicParker::with_wait(wait))), worker: None }
    }

    /// Slow paths for the workers of one set, and what the set sees of the driver.
    pub(crate) fn or_each<W>(
        &self,
        waits: impl IntoIterator<Item = W>,
    ) -> (Arc<Polled>, impl Iterator<Item = DriverOr<E, W>>)
    where
        E: EventLoop + Send + 'static,
        W: Wait + Send + Sync + 'static,
    {
        let waits: Vec<_> = waits.into_iter().collect();
        let driver = self.clone();
        let polled = Arc::new(Polled::new(waits.len(), move || driver.poll_now()));
        let (driver, of_set) = (self.clone(), polled.clone());
        let workers = waits.into_iter().enumerate();
        (
            polled,
            workers.map(move |(index, wait)| DriverOr { worker: Some((of_set.clone(), index)), ..driver.or(wait) }),
        )
    }

    /// Has the polling thread look at the timers again, and wait again; returns whether there is such a thread.
    ///
    /// Call it after a timer was added that is due before all others. It sets no token. If no thread waits in the event loop, it does nothing: the
    /// next one that does sees the timer. So call it if it is not clear whether the timer is the first one.
    ///
    /// One `SeqCst` fence, one load, and a call of the interrupter if a thread polls. A signal handler may call it if the
    /// interrupter may run there.
    ///
    /// # Examples
    ///
    /// ```
    /// # use atomic_parker::driver::{Driver, EventLoop};
    /// # struct NoEvents;
    /// # impl EventLoop for NoEvents {
    /// #     fn wait(&mut self, _: Option<std::time::Instant>) {}
    /// #     fn deliver(&mut self) {}
    /// # }
    /// let driver = Driver::new(NoEvents, || panic!("no thread polls"));
    /// assert!(!driver.interrupt());
    /// ```
    pub fn interrupt(&self) -> bool {
        let polls = self.shared.role.polls(None);
        if polls {
            (self.shared.interrupter)();
        }
        polls
    }

    /// Returns whether a thread is in the event loop at this moment: a hint, as it may have left by then. Wait-free.
    ///
    /// # Examples
    ///
    /// ```
    /// # use atomic_parker::driver::{Driver, EventLoop};
    /// # struct NoEvents;
    /// # impl EventLoop for NoEvents {
    /// #     fn wait(&mut self, _: Option<std::time::Instant>) {}
    /// #     fn deliver(&mut self) {}
    /// # }
    /// assert!(!Driver::new(NoEvents, || ()).is_polled());
    /// ```
    #[must_use]
    pub fn is_polled(&self) -> bool {
        self.shared.role.is_held()
    }
}

impl<E: EventLoop> Driver<E> {
    /// Polls without waiting, if no other thread polls; returns whether it has polled.
    ///
    /// For busy threads, from time to time, as a park whose time is over at once does not poll. It calls the event loop's `wait` with a
    /// time in the past, and `deliver`. It does not wait for another thread that polls, but takes locks for a moment. Within `wait`
    /// and `deliver` it returns false.
    ///
    /// # Examples
    ///
    /// ```
    /// # use atomic_parker::driver::{Driver, EventLoop};
    /// # struct NoEvents;
    /// # impl EventLoop for NoEvents {
    /// #     fn wait(&mut self, _: Option<std::time::Instant>) {}
    /// #     fn deliver(&mut self) {}
    /// # }
    /// assert!(Driver::new(NoEvents, || ()).poll_now());
    /// ```
    pub fn poll_now(&self) -> bool {
        let takes = self.shared.role.take_now();
        if takes {
            self.shared.poll(|event_loop| {
                event_loop.wait(Some(now()));
                event_loop.deliver();
                true
            });
        }
        takes
    }
}

impl<E> Shared<E> {
    /// Lends the event loop to the holder of the role, who then gives it up. `poll` returns whether it has polled.
    ///
    /// Returns whether another thread is woken for it.
    fn poll(&self, poll: impl FnOnce(&mut E) -> bool) -> bool {
        let mut event_loop = lock(&self.event_loop);
        let result = catch_unwind(AssertUnwindSafe(|| poll(&mut event_loop)));
        drop(event_loop);
        let polled = *result.as_ref().unwrap_or(&true);
        let hands_over = self.role.give_up(polled).wake();
        if let Err(panic) = result {
            resume_unwind(panic);
        }
        hands_over
    }
}

impl<E> Clone for Driver<E> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<E> fmt::Debug for Driver<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("is_polled", &self.is_polled()).finish_non_exhaustive()
    }
}

// A panic leaves the role consistent, and the event loop as a panic of its own leaves it.
impl<E> UnwindSafe for Driver<E> {}
impl<E> RefUnwindSafe for Driver<E> {}

/// A slow path that sleeps in the event loop of a [`Driver`], or in `W` while another thread does: what [`Driver::or`] returns.
///
/// Several threads may sleep in it. If the parker does not contain it, but has it in an `Arc`, in a `Box` or by a reference, then each sleep
/// allocates, and is in a [`Condvar`] in place of `W` if it is not in the event loop; a wake then takes a lock. Rather give each parker its own.
///
/// In a signal handler, `unpark` may be called if the parker contains it, if that may be called on `W`, and if the interrupter may run there. For memory ordering,
/// cost and panics see [`Driver`].
///
/// # Examples
///
/// See the [module](self).
pub struct DriverOr<E, W = Condvar> {
    driver: Driver<E>,
    own: Arc<Own<W>>,
    /// The index in a set of workers.
    worker: Option<(Arc<Polled>, usize)>,
}

/// Aligned, so that the address is a member's number.
#[repr(align(4))]
struct Own<W>(AtomicParker<W>);

impl<W: Wait + Send + Sync> Bed for Own<W> {
    fn unpark(&self) {
        self.0.unpark();
    }
}

impl<E, W> DriverOr<E, W> {
    fn member(&self) -> Member {
        let rank = self.worker.as_ref().map_or(0, |(_, index)| index + 1);
        Member { number: Arc::as_ptr(&self.own) as usize, rank }
    }

    /// Shows the set whether this worker polls.
    fn show(&self, polls: bool, delivers: bool) {
        if let Some((polled, index)) = &self.worker {
            polled.set(polls.then_some(Polling { index: *index, delivers }));
        }
    }

    fn interrupt(&self) {
        (self.driver.shared.interrupter)();
    }
}

impl<E: EventLoop, W: Wait + Send + Sync + 'static> DriverOr<E, W> {
    /// Takes turns until the token is there or the deadline has passed.
    fn sleep<B: Wait + Send + Sync + 'static>(&self, sleeper: &Sleeper<'_>, own: &Arc<Own<B>>, sleepers: Sleepers) {
        let role = &self.driver.shared.role;
        let bed: Arc<dyn Bed> = own.clone();
        let mut place = Place { role, bed: &bed, listed: false };
        while sleeper.still_parked() && !has_passed(sleeper.deadline()) {
            match role.look(self.member(), &bed, &mut place.listed, || self.interrupt()) {
                Turn::Poll => self.poll(sleeper),
                Turn::Sleep(end) => {
                    // In this order: a wake that came before this thread was in the list has set the token.
                    if sleeper.still_parked() {
                        let end = end.into_iter().chain(sleeper.deadline()).min();
                        let _woken = own.0.try_park() || own.0.sleep(end, has_passed(end), sleepers);
                    }
                }
            }
        }
        place.leave();
    }

    /// Polls, with the role, until the token is there or the deadline has passed, or a worker is to poll.
    fn poll(&self, sleeper: &Sleeper<'_>) {
        let role = &self.driver.shared.role;
        let hands_over = self.driver.shared.poll(|event_loop| {
            let shown = Shown(self);
            let mut polled = false;
            loop {
                self.show(true, false);
                role.before_wait();
                if !sleeper.still_parked() {
                    break;
                }
                polled = true;
                event_loop.wait(sleeper.deadline());
                role.awake(self.member());
                if sleeper.is_alone() {
                    // So that an unpark of this thread, in `deliver` for example, needs no wake.
                    sleeper.leave(false);
                }
                self.show(true, true);
                event_loop.deliver();
                if !sleeper.parks_again() || has_passed(sleeper.deadline()) || !role.again(self.member()) {
                    break;
                }
            }
            drop(shown);
            polled
        });
        if let Some((polled, index)) = self.worker.as_ref().filter(|_| hands_over) {
            polled.count_hand_over(*index);
        }
    }
}

/// The set does not see this worker poll any more, also after a panic of the event loop.
struct Shown<'a, E, W>(&'a DriverOr<E, W>);

impl<E, W> Drop for Shown<'_, E, W> {
    fn drop(&mut self) {
        self.0.show(false, false);
    }
}

impl<E: EventLoop + Send, W: Wait + Send + Sync + 'static> Wait for DriverOr<E, W> {
    fn wait(&self, sleeper: &Sleeper<'_>) {
        if !sleeper.key().contains(self) {
            self.sleep(sleeper, &Arc::new(Own(AtomicParker::with_wait(Condvar::new()))), Sleepers::One);
        } else {
            self.sleep(sleeper, &self.own, if sleeper.is_alone() { Sleepers::One } else { Sleepers::Any });
        }
    }

    fn wake(&self, key: Key<'_>) {
        let role = &self.driver.shared.role;
        let number = self.member().number;
        // In any case: the thread may go to its bed without having seen the token. And first: the interrupter may panic.
        if !key.contains(self) {
            role.beds(number).into_iter().for_each(|bed| bed.unpark());
        } else {
            self.own.unpark();
        }
        if role.polls(Some(number)) {
            self.interrupt();
        }
    }
}

impl<E, W> fmt::Debug for DriverOr<E, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DriverOr").field("driver", &self.driver).finish_non_exhaustive()
    }
}

// As for the driver: a panic leaves the bed consistent.
impl<E, W: RefUnwindSafe> UnwindSafe for DriverOr<E, W> {}
impl<E, W: RefUnwindSafe> RefUnwindSafe for DriverOr<E, W> {}

/// The place in the list of sleepers.
struct Place<'a> {
    role: &'a Role,
    bed: &'a Arc<dyn Bed>,
    listed: bool,
}

impl Place<'_> {
    fn leave(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.listed) {
            self.role.leave(self.bed).wake();
        }
    }
}

impl Drop for Place<'_> {
    /// After a panic in the bed or the event loop.
    fn drop(&mut self) {
        // A second panic, while the first one unwinds, would abort the process. In a model that has deadlocked, each step panics.
        let _ = catch_unwind(AssertUnwindSafe(|| self.end()));
    }
}
