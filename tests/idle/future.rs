//! A worker that waits for a future.

use crate::support::{keep_asleep, serve, set, until_asleep, Queue};
use crate::watchdog::watch;
use atomic_parker::idle::{Announced, Idle};
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{mpsc, Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;

type Task = Box<dyn FnOnce() + Send>;

/// A future that is ready once it is set.
#[derive(Clone, Default)]
struct Event(Arc<(AtomicBool, Mutex<Option<Waker>>)>);

impl Event {
    fn set(&self) {
        self.0 .0.store(true, SeqCst);
        self.0 .1.lock().unwrap().take().into_iter().for_each(Waker::wake);
    }

    async fn wait(self) {
        poll_fn(|context| {
            *self.0 .1.lock().unwrap() = Some(context.waker().clone());
            if self.0 .0.load(SeqCst) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

#[test]
fn woken_by_a_task_of_the_same_worker() {
    let (idle, workers) = Idle::new(1);
    watch(idle);
    let queue = Queue::<Task>::new();
    let event = Event::default();
    let ran = Arc::new(AtomicUsize::new(0));
    for last in [false, true] {
        let (event, ran) = (event.clone(), ran.clone());
        queue.push(Box::new(move || {
            ran.fetch_add(1, SeqCst);
            if last {
                event.set();
            }
        }));
    }
    workers[0].block_on(event.wait(), || queue.pop());
    assert_eq!(ran.load(SeqCst), 2);
}

#[test]
fn woken_by_another_worker_and_from_outside_and_no_third_worker_wakes() {
    for outside in [true, false] {
        let (idle, mut workers, sleeps) = set(3);
        let queue = Queue::<Task>::new();
        let waiting = workers.remove(2);
        let (event, own) = (Event::default(), Queue::<Task>::new());
        let waits = event.clone().wait();
        let thread = thread::spawn(move || waiting.block_on(waits, || own.pop()));
        let found = serve(workers, &queue, |task: Task| task());
        until_asleep(&sleeps, 3);
        let expected = if outside {
            event.set();
            0
        } else {
            queue.push(Box::new(move || event.set()));
            assert_eq!(idle.wake_one(), Announced::Woke);
            found.recv().unwrap();
            1
        };
        thread.join().unwrap();
        assert_eq!(idle.metrics().wake_count, expected);
        idle.close();
        assert!(found.recv().is_err());
    }
}

/// It was woken for the second task, and ends with its future.
#[test]
fn the_wake_of_a_worker_that_ends_goes_to_another_one() {
    let (idle, mut workers, sleeps) = set(2);
    let (queue, event) = (Queue::<Task>::new(), Event::default());
    let (sender, done) = mpsc::channel();
    let (first, tasks, waits) = (workers.remove(0), queue.clone(), event.clone().wait());
    queue.push(Box::new(|| ())); // After a task, it looks at the future first.
    let thread = thread::spawn(move || {
        first.block_on(waits, || tasks.pop());
        first
    });
    until_asleep(&sleeps, 1);
    let found = serve(workers, &queue, |task: Task| task());
    let asleep = keep_asleep(&sleeps, 2);
    queue.push(Box::new(move || sender.send(()).unwrap()));
    assert_eq!(idle.wake_one(), Announced::Woke);
    event.set();
    drop(asleep);
    done.recv().unwrap();
    assert_eq!(found.recv().unwrap().0, 1);
    drop(thread.join().unwrap());
    idle.close();
}

#[test]
fn a_task_that_it_runs_may_wait_too_and_two_deep() {
    let (idle, mut workers) = Idle::new(1);
    watch(idle.clone());
    let worker = Arc::new(Mutex::new(Some(workers.remove(0))));
    // Each future is set by a thread that starts when the next one is waited for.
    let events = [(); 3].map(|()| Event::default());
    let (sender, waits) = mpsc::channel::<usize>();
    let sets = events.clone();
    let setter = thread::spawn(move || {
        while waits.recv().unwrap() < 2 {}
        // The outermost first: it is not returned before the inner ones.
        sets.iter().for_each(Event::set);
    });
    let worker = worker.lock().unwrap().take().unwrap();
    fn wait(
        worker: &atomic_parker::idle::Worker,
        events: &[Event],
        depth: usize,
        sender: &mpsc::Sender<usize>,
    ) -> usize {
        let inner = std::cell::Cell::new(0);
        let mut started = false;
        worker.block_on(events[depth].clone().wait(), || {
            if depth + 1 == events.len() || std::mem::replace(&mut started, true) {
                let _ = sender.send(depth);
                return None;
            }
            Some(|| inner.set(wait(worker, events, depth + 1, sender)))
        });
        inner.get() + 1
    }
    assert_eq!(wait(&worker, &events, 0, &sender), 3);
    setter.join().unwrap();
    assert_eq!(idle.asleep(), 0);
}

#[test]
fn a_future_that_wakes_itself_does_not_keep_the_worker_from_its_tasks() {
    let (idle, workers) = Idle::new(1);
    watch(idle);
    let queue = Queue::<Task>::new();
    let ran = Arc::new(AtomicBool::new(false));
    let runs = ran.clone();
    queue.push(Box::new(move || runs.store(true, SeqCst)));
    let future = poll_fn(|context| {
        context.waker().wake_by_ref();
        if ran.load(SeqCst) {
            Poll::Ready(7)
        } else {
            Poll::Pending
        }
    });
    assert_eq!(workers[0].block_on(future, || queue.pop()), 7);
}

#[test]
fn a_worker_s_waker_wakes_that_worker() {
    let (idle, workers, sleeps) = set(2);
    let wakers: Vec<Waker> = workers.iter().map(|worker| worker.waker()).collect();
    let (sender, looks) = mpsc::channel();
    for worker in workers {
        let sender = sender.clone();
        thread::spawn(move || {
            worker.next(|| {
                let _ = sender.send(worker.index());
                None::<()>
            })
        });
    }
    until_asleep(&sleeps, 2);
    while looks.try_recv().is_ok() {}
    wakers[1].wake_by_ref();
    assert_eq!(looks.recv(), Ok(1));
    assert_eq!(idle.worker_metrics(1).wake_count, 1);
    idle.close();
    drop(idle);
    drop(sender);
    while looks.recv().is_ok() {}
    wakers[1].wake_by_ref(); // the set may be gone
}
