//! A call of `find` looks at two queues and takes time. Meanwhile other workers take tasks that it was meant for, and tasks
//! come to the queue that it has already looked at. No task may stay behind.
//!
//! Each test fixes who looks where and when. A worker looks when it starts (1), before it sleeps (2), when it was claimed (3),
//! and again before it sleeps, or in one more search (4).

use crate::support::{set, until_asleep, Counted, Queue};
use atomic_parker::idle::{Idle, Worker};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{mpsc, Arc};
use std::thread;

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

/// Each worker takes one task and ends.
struct Scene {
    idle: Idle<Counted>,
    workers: Vec<Worker<Counted>>,
    sleeps: Arc<AtomicUsize>,
    one: Arc<Queue<u32>>,
    two: Arc<Queue<u32>>,
    /// Worker 0, 1 or 2 has taken its task and has ended its search.
    ended: [Event; 3],
    sender: mpsc::Sender<Option<u32>>,
    found: mpsc::Receiver<Option<u32>>,
}

impl Scene {
    fn new(workers: usize) -> Self {
        let (idle, workers, sleeps) = set(workers);
        let (sender, found) = mpsc::channel();
        let ended = [(); 3].map(|()| Event::default());
        Self { idle, workers, sleeps, one: Queue::new(), two: Queue::new(), ended, sender, found }
    }

    /// Starts the worker with the highest index that has not started.
    fn start(&mut self, mut find: impl FnMut() -> Option<u32> + Send + 'static) {
        let worker = self.workers.pop().unwrap();
        let (ended, sender) = (self.ended[worker.index()].clone(), self.sender.clone());
        thread::spawn(move || {
            let task = worker.next(&mut find);
            ended.happen();
            sender.send(task).unwrap();
        });
    }

    /// All workers sleep, and task 1 comes to `queue` for one of them.
    fn run(self, queue: Option<&Queue<u32>>, worker: usize, tasks: &[u32]) {
        until_asleep(&self.sleeps, self.ended.len().min(self.idle.workers()));
        queue.inspect(|queue| queue.push(1));
        self.idle.wake_worker(worker);
        let mut found: Vec<_> = tasks.iter().map(|_| self.found.recv().unwrap().unwrap()).collect();
        found.sort_unstable();
        assert_eq!(found, tasks);
    }
}

/// The other worker is claimed for task 3, and finds task 2, which came during this worker's search.
#[test]
fn a_search_for_nothing_leaves_no_task_behind() {
    let mut scene = Scene::new(2);
    let (one, two, idle, ended) = (scene.one.clone(), scene.two.clone(), scene.idle.clone(), scene.ended.clone());
    let mut look = 0;
    scene.start(move || {
        look += 1;
        match look {
            3 => {
                two.push(2);
                idle.wake_one();
                None
            }
            4 => {
                assert_eq!(one.pop(), None);
                one.push(3);
                if idle.wake_one() {
                    ended[0].wait();
                }
                two.pop()
            }
            _ => one.pop().or_else(|| two.pop()),
        }
    });
    let (one, two) = (scene.one.clone(), scene.two.clone());
    scene.start(move || two.pop().or_else(|| one.pop()));
    scene.run(None, 1, &[2, 3]);
}

/// Worker 1 is claimed for task 2, and ends its search with task 1, which worker 2 was claimed for.
#[test]
fn a_search_that_took_the_task_of_another_leaves_no_task_behind() {
    let mut scene = Scene::new(3);
    let (one, two, idle, ended) = (scene.one.clone(), scene.two.clone(), scene.idle.clone(), scene.ended.clone());
    let mut look = 0;
    scene.start(move || {
        look += 1;
        match look {
            3 => {
                assert_eq!(two.pop(), None);
                two.push(2);
                idle.wake_worker(1);
                ended[1].wait();
                one.pop()
            }
            4 => {
                assert_eq!(one.pop(), None);
                one.push(3);
                if idle.wake_one() {
                    ended[0].wait();
                }
                two.pop()
            }
            _ => one.pop().or_else(|| two.pop()),
        }
    });
    let (one, two) = (scene.one.clone(), scene.two.clone());
    scene.start(move || one.pop().or_else(|| two.pop()));
    let (one, two) = (scene.one.clone(), scene.two.clone());
    scene.start(move || two.pop().or_else(|| one.pop()));
    let one = scene.one.clone();
    scene.run(Some(&one), 2, &[1, 2, 3]);
}

/// As above, but worker 1, which finds nothing, ends its search before worker 2 does.
#[test]
fn a_search_that_fails_beside_another_leaves_no_task_behind() {
    let mut scene = Scene::new(3);
    let (has_found, may_end) = (Event::default(), Event::default());
    let (one, two) = (scene.one.clone(), scene.two.clone());
    let (found, end) = (has_found.clone(), may_end.clone());
    scene.start(move || {
        let task = two.pop().or_else(|| one.pop());
        if task.is_some() {
            found.happen();
            end.wait();
        }
        task
    });
    let (one, two, idle, ended) = (scene.one.clone(), scene.two.clone(), scene.idle.clone(), scene.ended.clone());
    let mut look = 0;
    scene.start(move || {
        look += 1;
        match look {
            3 => {
                assert_eq!(one.pop(), None);
                one.push(2);
                idle.wake_worker(2);
                has_found.wait();
                two.pop()
            }
            4 => {
                assert_eq!(two.pop(), None);
                may_end.happen();
                ended[2].wait();
                two.push(3);
                if idle.wake_one() {
                    ended[0].wait();
                }
                one.pop()
            }
            _ => one.pop().or_else(|| two.pop()),
        }
    });
    let (one, two) = (scene.one.clone(), scene.two.clone());
    scene.start(move || one.pop().or_else(|| two.pop()));
    let two = scene.two.clone();
    scene.run(Some(&two), 1, &[1, 2, 3]);
}
