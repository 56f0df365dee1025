//! A call of `find` looks at two queues and takes time. Meanwhile other workers take tasks that it was meant for, and tasks
//! come to the queue that it has already looked at. No task may stay behind.
//!
//! Each test fixes who looks where and when. A worker looks when it starts (1), before it sleeps (2), when it was claimed (3),
//! and before it sleeps again, or in one more search (4). In the tests with a deadline, look 3 comes after it, and 4 is the search.

use crate::support::{set, until_asleep, Counted, Queue, Sleeps};
use atomic_parker::idle::{Idle, Next, Worker};
use std::cell::Cell;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{mpsc, Arc};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Clone, Default)]
struct Event(Arc<AtomicBool>);

impl Event {
    fn happen(&self) {
        self.0.store(true, SeqCst);
    }

    fn wait(&self) {
        while !self.0.load(SeqCst) {
            thread::yield_now();
        }
    }
}

/// What a worker sees.
#[derive(Clone)]
struct View {
    idle: Idle<Counted>,
    one: Arc<Queue<u32>>,
    two: Arc<Queue<u32>>,
    /// The worker with this index has its task, and has ended its search.
    ended: [Event; 6],
}

impl View {
    fn one_first(&self) -> Option<u32> {
        self.one.pop().or_else(|| self.two.pop())
    }

    fn two_first(&self) -> Option<u32> {
        self.two.pop().or_else(|| self.one.pop())
    }

    /// A task comes to the queue `two`, while this worker searches. It wakes no other.
    fn relies_on_a_search_for(&self, task: u32) {
        self.two.push(task);
        assert!(!self.idle.wake_one().woke());
    }

    /// Tasks come to the queue `one`, which this look has found empty. Each claims a worker.
    fn claims_for(&self, tasks: RangeInclusive<u32>) {
        assert_eq!(self.one.pop(), None);
        let count = tasks.clone().count();
        tasks.for_each(|task| self.one.push(task));
        assert_eq!(self.idle.wake(count), count);
    }
}

struct Scene {
    view: View,
    workers: Vec<Worker<Counted>>,
    sleeps: Sleeps,
    sender: mpsc::Sender<Option<u32>>,
    found: mpsc::Receiver<Option<u32>>,
}

impl Scene {
    fn new(workers: usize) -> Self {
        let (idle, workers, sleeps) = set(workers);
        let view = View { idle, one: Queue::new(), two: Queue::new(), ended: [(); 6].map(|()| Event::default()) };
        let (sender, found) = mpsc::channel();
        Self { view, workers, sleeps, sender, found }
    }

    /// Starts the worker with the highest index that has not started. It takes one task, which never ends.
    fn start(&mut self, run: impl FnOnce(View, &Worker<Counted>) -> Option<u32> + Send + 'static) {
        let worker = self.workers.pop().unwrap();
        let (view, sender) = (self.view.clone(), self.sender.clone());
        thread::spawn(move || {
            let ended = view.ended[worker.index()].clone();
            let task = run(view, &worker);
            ended.happen();
            sender.send(task).unwrap();
        });
    }

    /// The number of the look and the view go to `find`.
    fn start_finding(&mut self, mut find: impl FnMut(u32, &View) -> Option<u32> + Send + 'static) {
        self.start(move |view, worker| {
            let mut look = 0;
            worker.next(|| {
                look += 1;
                find(look, &view)
            })
        });
    }

    fn until_asleep(&self, workers: usize) -> &View {
        until_asleep(&self.sleeps, workers);
        &self.view
    }

    /// Waits until these tasks have been found, in any order.
    fn all_run(&self, tasks: &[u32]) {
        let mut found = Vec::new();
        while found.len() < tasks.len() {
            found.extend(self.found.recv().unwrap());
        }
        found.sort_unstable();
        assert_eq!(found, tasks);
    }
}

/// Task 1 comes during the search of worker 1, and task 2 during its next look. If the announcement of task 2 woke worker 0, that
/// one would take task 1 and leave task 2.
#[test]
fn a_search_for_nothing_leaves_no_task_behind() {
    let mut scene = Scene::new(2);
    scene.start_finding(|look, view| match look {
        3 => {
            view.two.push(1);
            view.idle.wake_one();
            None
        }
        4 => {
            assert_eq!(view.one.pop(), None);
            view.one.push(2);
            if view.idle.wake_one().woke() {
                view.ended[0].wait();
            }
            view.two.pop()
        }
        _ => view.one_first(),
    });
    scene.start_finding(|_, view| view.two_first());
    scene.until_asleep(2).idle.wake_worker(1);
    scene.all_run(&[1, 2]);
}

/// Worker 1 is claimed for task 2, and ends its search with task 1, which worker 2 was claimed for.
#[test]
fn a_search_that_took_the_task_of_another_leaves_no_task_behind() {
    let mut scene = Scene::new(3);
    scene.start_finding(|look, view| match look {
        3 => {
            assert_eq!(view.two.pop(), None);
            view.two.push(2);
            view.idle.wake_worker(1);
            view.ended[1].wait();
            view.one.pop()
        }
        4 => {
            assert_eq!(view.one.pop(), None);
            view.one.push(3);
            if view.idle.wake_one().woke() {
                view.ended[0].wait();
            }
            view.two.pop()
        }
        _ => view.one_first(),
    });
    scene.start_finding(|_, view| view.one_first());
    scene.start_finding(|_, view| view.two_first());
    let view = scene.until_asleep(3);
    view.one.push(1);
    view.idle.wake_worker(2);
    scene.all_run(&[1, 2, 3]);
}

/// Worker 1 is claimed for task 1, and worker 2 for task 2. Worker 2 finds task 1. Worker 1 finds nothing, and stops searching
/// before worker 2 ends its search.
#[test]
fn a_search_that_fails_beside_another_leaves_no_task_behind() {
    let mut scene = Scene::new(3);
    let (has_found, may_end) = (Event::default(), Event::default());
    let (found, end) = (has_found.clone(), may_end.clone());
    scene.start_finding(move |_, view| {
        let task = view.two_first();
        if task.is_some() {
            found.happen();
            end.wait();
        }
        task
    });
    scene.start_finding(move |look, view| match look {
        3 => {
            assert_eq!(view.one.pop(), None);
            view.one.push(2);
            view.idle.wake_worker(2);
            has_found.wait();
            view.two.pop()
        }
        4 => {
            assert_eq!(view.two.pop(), None);
            may_end.happen();
            view.ended[2].wait();
            view.two.push(3);
            if view.idle.wake_one().woke() {
                view.ended[0].wait();
            }
            view.one.pop()
        }
        _ => view.one_first(),
    });
    scene.start_finding(|_, view| view.one_first());
    let view = scene.until_asleep(3);
    view.two.push(1);
    view.idle.wake_worker(1);
    scene.all_run(&[1, 2, 3]);
}

/// Workers 1 and 2 are claimed for tasks 3 and 4, and find tasks 1 and 2, which both came during the search of worker 0. It
/// finds only one of the others.
#[test]
fn a_worker_that_owes_a_search_still_owes_it_after_one_more_look() {
    let mut scene = Scene::new(4);
    scene.start_finding(|_, view| view.one_first());
    (1..=2).for_each(|_| scene.start_finding(|_, view| view.two_first()));
    scene.start_finding(|look, view| match look {
        3 => {
            (1..=2).for_each(|task| view.relies_on_a_search_for(task));
            None
        }
        4 => {
            view.claims_for(3..=4);
            (1..=2).for_each(|worker| view.ended[worker].wait());
            view.two.pop()
        }
        _ => view.one_first(),
    });
    assert!(scene.until_asleep(4).idle.wake_one().woke());
    scene.all_run(&[1, 2, 3, 4]);
}

/// Worker 0 owes three searches, for tasks 1 to 3. Workers 1 to 3 are claimed for tasks 4 to 6, and find tasks 1 to 3. Worker 0 finds
/// nothing, and ends its search before worker 3 does.
#[test]
fn a_worker_that_ends_its_search_beside_another_leaves_all_that_it_owes() {
    let mut scene = Scene::new(6);
    let has_found = Event::default();
    (4..=5).for_each(|_| scene.start_finding(|_, view| view.one_first()));
    let found = has_found.clone();
    scene.start_finding(move |_, view| {
        let task = view.two_first();
        if task.is_some() {
            found.happen();
            view.ended[0].wait();
        }
        task
    });
    (1..=2).for_each(|_| scene.start_finding(|_, view| view.two_first()));
    scene.start_finding(move |look, view| match look {
        3 => {
            (1..=3).for_each(|task| view.relies_on_a_search_for(task));
            None
        }
        4 => {
            view.claims_for(4..=6);
            (1..=2).for_each(|worker| view.ended[worker].wait());
            has_found.wait();
            view.two.pop()
        }
        _ => view.one_first(),
    });
    assert!(scene.until_asleep(6).idle.wake_one().woke());
    scene.all_run(&[1, 2, 3, 4, 5, 6]);
}

/// Worker 0 stops at its deadline, though it was claimed for task 1. Worker 1 is claimed for another task, and finds task 1.
#[test]
fn a_search_that_ends_at_a_deadline_leaves_no_task_behind() {
    let mut scene = Scene::new(4);
    scene.start_finding(|_, view| view.one_first());
    scene.start_finding(|_, view| view.one_first());
    scene.start_finding(|_, view| view.two_first());
    scene.until_asleep(3);
    scene.start(|view, worker| {
        let mut look = 0;
        let find = || {
            look += 1;
            match look {
                3 => {
                    assert_eq!(view.one_first(), None);
                    view.two.push(1);
                    assert!(view.idle.wake_one().woke());
                    None
                }
                4 => {
                    view.claims_for(2..=3);
                    (1..=2).for_each(|worker| view.ended[worker].wait());
                    view.two.pop()
                }
                _ => view.one_first(),
            }
        };
        assert_eq!(worker.next_timeout(Duration::ZERO, find), Next::TimedOut);
        None
    });
    scene.all_run(&[1, 2, 3]);
}

/// The same for a worker that holds a debt: its search was for task 1, and it owes one for task 2. Workers 1 and 2 are claimed for
/// tasks 3 and 4, and find tasks 1 and 2.
#[test]
fn a_search_that_ends_at_a_deadline_leaves_what_it_owes() {
    let mut scene = Scene::new(5);
    (3..=4).for_each(|_| scene.start_finding(|_, view| view.one_first()));
    (1..=2).for_each(|_| scene.start_finding(|_, view| view.two_first()));
    scene.start(|view, worker| {
        let look = Cell::new(0);
        let find = || {
            look.set(look.get() + 1);
            match look.get() {
                3 => {
                    (1..=2).for_each(|task| view.relies_on_a_search_for(task));
                    None
                }
                4 => {
                    view.claims_for(3..=4);
                    (1..=2).for_each(|worker| view.ended[worker].wait());
                    view.two.pop()
                }
                _ => view.one_first(),
            }
        };
        let deadline = || (look.get() == 3).then(Instant::now);
        assert_eq!(worker.next_deadline(deadline, find), Next::TimedOut);
        None
    });
    assert!(scene.until_asleep(5).idle.wake_one().woke());
    scene.all_run(&[1, 2, 3, 4]);
}

/// All tasks come before `close`. Worker 0 waits in a task, looks while worker 1 moves them, and sleeps. Worker 1 announces the rest.
#[test]
fn a_batch_that_is_moved_after_close_wakes_a_waiting_worker() {
    let mut scene = Scene::new(2);
    let in_transit = Event::default();
    (1..=3).for_each(|task| scene.view.one.push(task));
    assert_eq!(scene.view.idle.wake(3), 0);
    scene.view.idle.close();
    let (moves, sleeps) = (in_transit.clone(), scene.sleeps.clone());
    scene.start_finding(move |_, view| {
        let task = view.one.pop()?;
        let rest = [view.one.pop()?, view.one.pop()?];
        moves.happen();
        until_asleep(&sleeps, 1);
        rest.into_iter().for_each(|task| view.two.push(task));
        assert_eq!(view.idle.wake(2), 1);
        Some(task)
    });
    scene.start(move |view, worker| {
        in_transit.wait();
        Some(worker.wait_for(|| view.one_first()))
    });
    scene.all_run(&[1, 2]);
}
