//! The guarantees of the `block_on` functions. On std only: the models have their own clock and threads.
#![cfg(not(any(loom, shuttle)))]

#[path = "../allocations/mod.rs"]
mod allocations;
#[path = "../watchdog/mod.rs"]
mod watchdog;

use allocations::allocations;
use atomic_parker::wait::{Key, Sleeper, Wait};
use atomic_parker::{block_on, block_on_timeout, ParkState, Parker, TimedOut};
use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn, ready, Future};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};
use watchdog::watch;

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(60);

/// Pending for the given number of polls. Each poll wakes.
struct Yields(usize);

impl Future for Yields {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The value that a sender sends before it wakes. `start` gets both in the first poll.
fn sent<T>(start: impl FnOnce(Waker, mpsc::Sender<T>)) -> impl Future<Output = T> {
    let (mut start, mut receiver) = (Some(start), None);
    poll_fn(move |cx| {
        let receiver = receiver.get_or_insert_with(|| {
            let (sender, receiver) = mpsc::channel();
            start.take().unwrap()(cx.waker().clone(), sender);
            receiver
        });
        receiver.try_recv().map_or(Poll::Pending, Poll::Ready)
    })
}

/// Another thread sends, and wakes, after this time.
fn sent_after(time: Duration) -> impl Future<Output = i32> {
    watch("in `block_on`");
    sent(move |waker, sender| {
        thread::spawn(move || {
            thread::sleep(time);
            sender.send(7).unwrap();
            waker.wake();
        });
    })
}

fn from_another_thread() -> impl Future<Output = i32> {
    sent_after(SHORT)
}

/// Counts the polls of a future.
async fn counted<T>(polls: &Cell<usize>, future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    poll_fn(|cx| {
        polls.set(polls.get() + 1);
        future.as_mut().poll(cx)
    })
    .await
}

fn current_waker() -> Waker {
    block_on(poll_fn(|cx| Poll::Ready(cx.waker().clone())))
}

#[test]
fn runs_every_kind_of_future() {
    assert_eq!(block_on(ready(1)), 1);
    assert_eq!(block_on(async { from_another_thread().await + 1 }), 8);
    assert_eq!(block_on_timeout(from_another_thread(), LONG), Ok(7));
    assert_eq!(Parker::new().block_on(from_another_thread()), 7);
}

#[test]
fn allocates_once_a_thread() {
    // The first call makes the pair. The first sleep asks for the number of CPUs.
    block_on_timeout(pending::<()>(), Duration::from_millis(1)).unwrap_err();
    let parker = Parker::new();
    let before = allocations();
    for _ in 0..100 {
        block_on(ready(()));
        block_on(Yields(3));
        block_on_timeout(ready(()), LONG).unwrap();
        block_on_timeout(Yields(3), LONG).unwrap();
        block_on_timeout(pending::<()>(), Duration::from_micros(1)).unwrap_err();
        parker.block_on(ready(()));
        parker.block_on(Yields(3));
    }
    assert_eq!(allocations(), before);
}

#[test]
fn the_first_call_on_a_thread_allocates() {
    thread::spawn(|| {
        let before = allocations();
        block_on(ready(()));
        assert!(allocations() > before, "the first call on a thread makes the pair");
    })
    .join()
    .unwrap();
}

#[test]
fn polls_once_per_wake() {
    let polls = Cell::new(0);
    block_on(counted(&polls, Yields(5)));
    assert_eq!(polls.take(), 6);
    block_on(counted(&polls, from_another_thread()));
    assert_eq!(polls.take(), 2);
}

/// Runs `inner` in each poll of an outer call that nothing wakes. Returns the number of its polls.
fn polls_around(mut inner: impl FnMut()) -> usize {
    watch("in `block_on`");
    let mut polls = 0;
    let outer = poll_fn(|_| {
        polls += 1;
        inner();
        Poll::<()>::Pending
    });
    assert_eq!(block_on_timeout(outer, 5 * SHORT), Err(TimedOut));
    polls
}

#[test]
fn a_call_within_a_poll_lets_the_outer_call_sleep() {
    let nap = || assert_eq!(block_on_timeout(pending::<()>(), Duration::from_millis(1)), Err(TimedOut));
    assert_eq!(polls_around(nap), 1);
    assert_eq!(polls_around(|| assert_eq!(block_on(from_another_thread()), 7)), 1);
    assert_eq!(polls_around(|| block_on(Yields(3))), 1);
    let parker = Parker::new();
    assert_eq!(polls_around(|| assert_eq!(parker.block_on(from_another_thread()), 7)), 1);
    assert_eq!(polls_around(|| assert_eq!(parker.block_on_timeout(pending::<()>(), SHORT), Err(TimedOut))), 1);
}

#[test]
fn a_call_within_a_poll_takes_no_wake_of_the_outer_call() {
    watch("in `block_on`");
    // The outer call is woken before, during and after the sleep of the inner call.
    for when in 0..3 {
        let polls = Cell::new(0);
        let mut woken = false;
        let outer = poll_fn(|cx| {
            if woken {
                return Poll::Ready(());
            }
            woken = true;
            let outer = cx.waker().clone();
            if when == 0 {
                outer.wake_by_ref();
            }
            let inner_polls = Cell::new(0);
            let mut asleep = false;
            let inner = poll_fn(|cx| {
                if asleep {
                    return Poll::Ready(());
                }
                asleep = true;
                let (inner, outer) = (cx.waker().clone(), outer.clone());
                thread::spawn(move || {
                    if when == 1 {
                        outer.wake();
                    }
                    thread::sleep(SHORT);
                    inner.wake();
                });
                Poll::Pending
            });
            block_on(counted(&inner_polls, inner));
            assert_eq!(inner_polls.get(), 2);
            if when == 2 {
                outer.wake_by_ref();
            }
            Poll::Pending
        });
        assert_eq!(block_on_timeout(counted(&polls, outer), LONG), Ok(()));
        assert_eq!(polls.get(), 2);
    }
}

/// Each depth sleeps before and after its nested call, until another thread wakes it.
fn nested(depth: usize) -> usize {
    block_on(async {
        sent_after(Duration::ZERO).await;
        let inner = if depth == 0 { 0 } else { nested(depth - 1) };
        sent_after(Duration::ZERO).await;
        inner + 1
    })
}

#[test]
fn nests_sixty_deep() {
    assert_eq!(nested(59), 60);
}

#[test]
fn each_depth_keeps_its_parker() {
    fn collect(depth: usize, wakers: &mut Vec<Waker>) {
        block_on(poll_fn(|cx| {
            wakers.push(cx.waker().clone());
            if depth > 1 {
                collect(depth - 1, wakers);
            }
            Poll::Ready(())
        }));
    }
    let mut calls = [(); 2].map(|()| Vec::new());
    calls.iter_mut().for_each(|calls| collect(4, calls));
    for (depth, waker) in calls[0].iter().enumerate() {
        assert!(waker.will_wake(&calls[1][depth]));
        assert!(calls[0][..depth].iter().all(|outer| !outer.will_wake(waker)));
    }
    let before = allocations();
    nested_yields(4);
    assert_eq!(allocations(), before, "the parkers of all depths were kept");
}

fn nested_yields(depth: usize) {
    block_on(async {
        Yields(1).await;
        if depth > 1 {
            nested_yields(depth - 1);
        }
        Yields(1).await;
    });
}

#[test]
fn nests_in_the_drop_of_a_future() {
    struct BlockOnDrop;
    impl Drop for BlockOnDrop {
        fn drop(&mut self) {
            assert_eq!(block_on(from_another_thread()), 7);
        }
    }
    let future = async {
        let _held = BlockOnDrop;
        pending::<()>().await;
    };
    assert_eq!(block_on_timeout(future, SHORT), Err(TimedOut));
}

#[test]
fn works_after_a_panic() {
    let kept = current_waker();
    for _ in 0..3 {
        catch_unwind(|| block_on(async { panic!("in poll") })).unwrap_err();
        let nested = catch_unwind(|| block_on(async { block_on(async { panic!("in a nested poll") }) }));
        nested.unwrap_err();
        catch_unwind(|| block_on_timeout(async { panic!("in poll") }, LONG)).unwrap_err();
    }
    assert!(kept.will_wake(&current_waker()), "the thread's pair was put back");
    assert_eq!(block_on(from_another_thread()), 7);

    let parker = Parker::new();
    catch_unwind(AssertUnwindSafe(|| parker.block_on(async { panic!("in poll") }))).unwrap_err();
    assert_eq!(parker.block_on(from_another_thread()), 7);
}

/// A running thread. On Windows no thread starts or ends while the destructor of a thread-local runs.
struct Helper(mpsc::Sender<(Waker, mpsc::Sender<i32>)>);

impl Helper {
    fn start() -> Self {
        let (requests, received) = mpsc::channel::<(Waker, mpsc::Sender<i32>)>();
        thread::spawn(move || {
            for (waker, answer) in received {
                thread::sleep(SHORT);
                answer.send(7).unwrap();
                waker.wake();
            }
        });
        Helper(requests)
    }

    /// The helper sends, and wakes, after `SHORT`.
    fn answer(&self) -> impl Future<Output = i32> + '_ {
        sent(|waker, sender| self.0.send((waker, sender)).unwrap())
    }
}

#[test]
fn works_in_destructors_of_thread_locals() {
    watch("in `block_on`, in a destructor");
    struct AtExit(mpsc::Sender<i32>, Helper);
    impl Drop for AtExit {
        fn drop(&mut self) {
            self.0.send(block_on(self.1.answer())).unwrap();
            self.0.send(block_on_timeout(self.1.answer(), LONG).unwrap()).unwrap();
        }
    }
    thread_local! {
        static EARLY: RefCell<Option<AtExit>> = const { RefCell::new(None) };
        static LATE: RefCell<Option<AtExit>> = const { RefCell::new(None) };
    }
    // In any order of destruction: one before the thread's pair, one after it, and one without a pair.
    for use_it in [true, false] {
        let (sender, receiver) = mpsc::channel();
        let (early, late) = (AtExit(sender.clone(), Helper::start()), AtExit(sender, Helper::start()));
        thread::spawn(move || {
            EARLY.with(|at_exit| *at_exit.borrow_mut() = Some(early));
            if use_it {
                block_on(Yields(1));
            }
            LATE.with(|at_exit| *at_exit.borrow_mut() = Some(late));
        })
        .join()
        .unwrap();
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [7; 4]);
    }
}

#[test]
fn a_waker_that_outlives_the_call_costs_one_poll() {
    let stale = current_waker();
    for _ in 0..10 {
        stale.wake_by_ref();
    }
    let polls = Cell::new(0);
    assert_eq!(block_on(counted(&polls, from_another_thread())), 7);
    assert!(polls.get() <= 3, "{} polls", polls.get());

    // A stale wake does not take or hide another wake.
    let (stop, stopped) = mpsc::channel::<()>();
    let storm = thread::spawn(move || {
        while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
            stale.wake_by_ref();
            thread::yield_now();
        }
    });
    for _ in 0..20 {
        assert_eq!(block_on_timeout(from_another_thread(), LONG), Ok(7));
    }
    drop(stop);
    storm.join().unwrap();
}

#[test]
fn a_waker_outlives_the_thread() {
    let waker = thread::spawn(current_waker).join().unwrap();
    waker.wake_by_ref();
    waker.wake();
}

#[test]
fn a_stale_wake_is_no_timeout_and_no_result() {
    current_waker().wake();
    let start = Instant::now();
    assert_eq!(block_on_timeout(pending::<()>(), SHORT), Err(TimedOut));
    assert!(start.elapsed() >= SHORT);
}

#[test]
fn zero_polls_once() {
    let polls = Cell::new(0);
    assert_eq!(block_on_timeout(counted(&polls, ready(1)), Duration::ZERO), Ok(1));
    assert_eq!(polls.take(), 1);
    assert_eq!(block_on_timeout(counted(&polls, pending::<()>()), Duration::ZERO), Err(TimedOut));
    assert_eq!(polls.take(), 1);
    assert_eq!(block_on_timeout(counted(&polls, Yields(1)), Duration::ZERO), Err(TimedOut));
    assert_eq!(polls.take(), 1);
}

#[test]
fn the_longest_timeout_never_passes() {
    assert_eq!(block_on_timeout(from_another_thread(), Duration::MAX), Ok(7));
    assert_eq!(block_on_timeout(from_another_thread(), Duration::MAX - Duration::from_nanos(1)), Ok(7));
}

#[test]
fn never_times_out_early() {
    for millis in [1, 3, 10] {
        let timeout = Duration::from_millis(millis);
        let start = Instant::now();
        assert_eq!(block_on_timeout(pending::<()>(), timeout), Err(TimedOut));
        assert!(start.elapsed() >= timeout);
    }
}

#[test]
fn a_future_that_finishes_with_the_deadline_wins() {
    // Woken before the deadline, ready after it: the first poll returns after the deadline.
    let mut late = false;
    let future = poll_fn(|cx| {
        if late {
            return Poll::Ready(5);
        }
        late = true;
        cx.waker().wake_by_ref();
        thread::sleep(2 * SHORT);
        Poll::Pending
    });
    assert_eq!(block_on_timeout(future, SHORT), Ok(5));
}

#[test]
fn a_timeout_stops_a_future_that_always_wakes_itself() {
    let start = Instant::now();
    assert_eq!(block_on_timeout(Yields(usize::MAX), SHORT), Err(TimedOut));
    assert!(start.elapsed() >= SHORT);
}

#[test]
fn timed_out_is_an_error() {
    fn fails() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        block_on_timeout(pending(), Duration::ZERO)?;
        Ok(())
    }
    let error = fails().unwrap_err();
    assert_eq!(error.to_string(), "the future was not ready in time");
    assert_eq!(error.downcast_ref(), Some(&TimedOut));
}

#[test]
fn a_parker_runs_futures_on_its_own_token() {
    let parker = Parker::new();
    let polls = Cell::new(0);

    // Its wakers are its unparkers.
    parker.block_on(poll_fn(|cx| {
        let unparker = Waker::from(parker.unparker());
        assert!(cx.waker().will_wake(&unparker));
        Poll::Ready(())
    }));

    // A token from before costs one more poll. If no park takes it, it stays.
    parker.unpark();
    parker.block_on(counted(&polls, from_another_thread()));
    assert_eq!(polls.take(), 3);
    parker.unpark();
    parker.block_on(counted(&polls, ready(())));
    assert_eq!(polls.take(), 1);
    assert_eq!(parker.state(), ParkState::Notified);
    assert!(parker.try_park());

    // A nested call of the free function does not use that token.
    let mut woken = false;
    parker.block_on(poll_fn(|cx| {
        if woken {
            return Poll::Ready(());
        }
        woken = true;
        cx.waker().wake_by_ref();
        block_on(from_another_thread());
        Poll::Pending
    }));
}

#[test]
fn takes_futures_that_are_not_send_and_into_futures() {
    struct Order(std::rc::Rc<i32>);
    impl std::future::IntoFuture for Order {
        type Output = i32;
        type IntoFuture = std::future::Ready<i32>;
        fn into_future(self) -> Self::IntoFuture {
            ready(*self.0)
        }
    }
    assert_eq!(block_on(Order(1.into())), 1);
    assert_eq!(block_on_timeout(Order(2.into()), Duration::ZERO), Ok(2));
    assert_eq!(Parker::new().block_on(Order(3.into())), 3);
}

#[test]
fn the_wakes_of_many_threads_are_not_lost() {
    /// Ready when all of its threads have sent. Each thread sends, and then wakes.
    fn sum(threads: i32) -> impl Future<Output = i32> {
        watch("in `block_on`");
        let (sender, receiver) = mpsc::channel();
        let (mut sender, mut left, mut sum) = (Some(sender), threads, 0);
        poll_fn(move |cx| {
            if let Some(sender) = sender.take() {
                for number in 0..threads {
                    let (sender, waker) = (sender.clone(), cx.waker().clone());
                    thread::spawn(move || {
                        sender.send(number).unwrap();
                        waker.wake();
                    });
                }
            }
            while let Ok(number) = receiver.try_recv() {
                sum += number;
                left -= 1;
            }
            if left == 0 {
                Poll::Ready(sum)
            } else {
                Poll::Pending
            }
        })
    }
    for _ in 0..50 {
        assert_eq!(block_on_timeout(sum(8), LONG), Ok(28));
    }
}

#[test]
fn no_slow_path_unless_it_sleeps() {
    struct Never;
    impl Wait for Never {
        fn wait(&self, _: &Sleeper<'_>) {
            panic!("slept");
        }
        fn wake(&self, _: Key<'_>) {
            panic!("woke a sleeper");
        }
    }
    let parker = Parker::with_wait(Never);
    parker.block_on(ready(()));
    parker.block_on(Yields(3));
}
