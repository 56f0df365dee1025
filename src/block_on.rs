use crate::pair::Parker;
use crate::sync;
use crate::wait::Wait;
use std::cell::Cell;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::{pin, Pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Runs a future to completion on this thread, which sleeps while the future has nothing to do.
///
/// The parker and its waker belong to the thread and are kept for the next call. What allocates is the first call on a
/// thread, the first sleep, which asks whether there are other CPUs, and a call in a thread-local's destructor, if the
/// parker is gone by then.
///
/// May be called within the poll of another call. Both share the thread's parker, and if the inner one has slept, the
/// outer one polls once more before it does, in case that a wake-up was meant for it.
///
/// A waker may outlive the call. Waking it then is harmless: at most, one later call on this thread polls its future
/// once more than needed.
///
/// # Memory ordering
///
/// What came before a wake of the future happens-before the poll that follows from it.
///
/// # Cost
///
/// No lock, no system call and, but for the first call, no allocation for a future that is ready, or that is woken
/// while it is polled. Otherwise the thread sleeps as in [`Parker::park`], for as long as it takes. For a limit, see
/// [`block_on_timeout`].
///
/// # Panics
///
/// Only if the future does. The thread can go on to call this function.
///
/// # Examples
///
/// ```
/// let sum = atomic_parker::block_on(async { 1 + 2 });
/// assert_eq!(sum, 3);
/// ```
pub fn block_on<F: IntoFuture>(future: F) -> F::Output {
    let mut future = pin!(future.into_future());
    on_this_thread(|thread| {
        let mut seen = thread.taken.get();
        always(drive(&thread.waker, future.as_mut(), || {
            thread.park(&mut seen, |parker| {
                parker.park();
                true
            });
            Ok(())
        }))
    })
}

/// Runs a future on this thread for no longer than `timeout`, and returns its output or that time is up.
///
/// As [`block_on`], with a limit that counts from the call. A future that is not ready by then is dropped. A poll
/// is never interrupted: it is the future's own business to return from it.
///
/// # Timeouts
///
/// Zero polls once and never sleeps; a `timeout` too large for the clock, as `Duration::MAX`, is for ever. A wake-up
/// that arrives together with the deadline wins: the future is polled once more before time is up. A future that wakes
/// itself all the time is stopped too.
///
/// # Memory ordering
///
/// What came before a wake of the future happens-before the poll that follows from it. [`TimedOut`] orders nothing.
///
/// # Cost
///
/// As [`block_on`]; besides, it looks at the clock when it is called and after each wake-up.
///
/// # Panics
///
/// Only if the future does. The thread can go on to call this function.
///
/// # Examples
///
/// ```
/// use atomic_parker::{block_on_timeout, TimedOut};
/// use std::future::{pending, ready};
/// use std::time::Duration;
///
/// assert_eq!(block_on_timeout(ready(1), Duration::ZERO), Ok(1));
/// assert_eq!(block_on_timeout(pending::<i32>(), Duration::from_millis(1)), Err(TimedOut));
/// ```
pub fn block_on_timeout<F: IntoFuture>(future: F, timeout: Duration) -> Result<F::Output, TimedOut> {
    let mut expired = timeout.is_zero();
    let deadline = if expired { None } else { sync::deadline_after(timeout) };
    let mut future = pin!(future.into_future());
    on_this_thread(|thread| {
        let mut seen = thread.taken.get();
        drive(&thread.waker, future.as_mut(), || {
            let park = |parker: &Parker| match deadline {
                Some(deadline) => parker.park_deadline(deadline),
                None => {
                    parker.park();
                    true
                }
            };
            if expired || !thread.park(&mut seen, park) {
                return Err(TimedOut);
            }
            // Looked at although there was a token: the future may be one that wakes itself in every poll.
            expired = sync::has_passed(deadline);
            Ok(())
        })
    })
}

impl<W: Wait + Send + Sync + 'static> Parker<W> {
    /// Runs a future to completion on this thread, which sleeps on this parker meanwhile.
    ///
    /// As [`block_on`], with a slow path, and a policy to spin, of your choice.
    ///
    /// The future's wakers are this parker's [`unparker`](Parker::unparker): a token from another source, also one that
    /// is left from before, costs one needless poll. There is but one token. So whoever takes it within the poll, by a
    /// park on this parker or by a `block_on` on it, takes the wake-up of this call, which may then sleep for ever; use
    /// the free function there.
    ///
    /// # Memory ordering
    ///
    /// What came before an `unpark` or a wake happens-before the poll that follows from it.
    ///
    /// # Cost
    ///
    /// Counts one reference, allocates nothing. Lock-free and without a system call for a future that is ready, or that
    /// is woken while it is polled. Otherwise it sleeps as in [`park`](Parker::park), without a limit.
    ///
    /// # Panics
    ///
    /// Only if the future or the slow path does. The parker stays usable.
    ///
    /// # Examples
    ///
    /// ```
    /// let parker = atomic_parker::Parker::new();
    /// assert_eq!(parker.block_on(async { 1 + 2 }), 3);
    /// ```
    pub fn block_on<F: IntoFuture>(&self, future: F) -> F::Output {
        always(drive(&Waker::from(self.unparker()), pin!(future.into_future()), || {
            self.park();
            Ok(())
        }))
    }
}

/// Time was up before the future was ready: the error of [`block_on_timeout`].
///
/// # Examples
///
/// ```
/// assert_eq!(atomic_parker::TimedOut.to_string(), "the future was not ready in time");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("the future was not ready in time")
    }
}

impl Error for TimedOut {}

/// Polls until the future is ready; while it is not, `park` says when to poll again, or not to any more.
#[inline]
fn drive<F: Future, E>(
    waker: &Waker,
    mut future: Pin<&mut F>,
    mut park: impl FnMut() -> Result<(), E>,
) -> Result<F::Output, E> {
    let mut context = Context::from_waker(waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Ok(output);
        }
        park()?;
    }
}

fn always<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(output) => output,
        Err(never) => match never {},
    }
}

/// What a thread keeps for its calls.
struct ThisThread {
    parker: Parker,
    waker: Waker,
    /// How many tokens the calls on this thread have taken.
    taken: Cell<usize>,
}

impl ThisThread {
    #[cold]
    fn new() -> Self {
        let parker = Parker::new();
        let waker = Waker::from(parker.unparker());
        Self { parker, waker, taken: Cell::new(0) }
    }

    /// Parks, unless a call within the last poll has taken a token since `seen`: that may have been the caller's.
    fn park(&self, seen: &mut usize, park: impl FnOnce(&Parker) -> bool) -> bool {
        let woken = self.taken.get() != *seen || {
            let took = park(&self.parker);
            self.taken.set(self.taken.get().wrapping_add(1));
            took
        };
        *seen = self.taken.get();
        woken
    }
}

#[inline]
fn on_this_thread<R>(mut run: impl FnMut(&ThisThread) -> R) -> R {
    sync::local! {
        static THIS_THREAD: ThisThread = ThisThread::new();
    }
    match THIS_THREAD.try_with(&mut run) {
        Ok(output) => output,
        Err(_) => on_a_pair_of_its_own(run),
    }
}

/// In a thread-local's destructor, after the thread's own pair is gone.
#[cold]
#[inline(never)]
fn on_a_pair_of_its_own<R>(mut run: impl FnMut(&ThisThread) -> R) -> R {
    run(&ThisThread::new())
}
