//! More threads than cores: a ring, and one thread that wakes many.

use crate::hand_over::nanos_each;
use atomic_parker_benches::contenders::Contender;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{mpsc, Arc, Mutex};
use std::thread;
use std::time::Instant;

const THREADS: usize = 8;
const ROUNDS: u32 = 300;

/// Starts threads with a pair each, and returns their unparkers. The thread that parks must make the pair.
fn spawn<C: Contender>(
    count: usize,
    run: impl FnOnce(usize, C::Parker) + Clone + Send + 'static,
) -> (Vec<C::Unparker>, Vec<thread::JoinHandle<()>>) {
    let start = |number| {
        let (sender, receiver) = mpsc::channel();
        let run = run.clone();
        let thread = thread::spawn(move || {
            let (parker, unparker) = C::pair_anywhere();
            sender.send(unparker).expect("the receiver waits");
            run(number, parker);
        });
        (receiver.recv().expect("the thread sends first"), thread)
    };
    (0..count).map(start).unzip()
}

/// One token goes around a ring: the time of a hop.
pub fn ring<C: Contender>() -> f64 {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| mpsc::channel::<C::Unparker>()).unzip();
    let receivers: Vec<_> = receivers.into_iter().map(|receiver| Arc::new(Mutex::new(receiver))).collect();
    let (unparkers, threads) = spawn::<C>(THREADS, move |number, parker| {
        let next = receivers[number].lock().unwrap().recv().unwrap();
        for _ in 0..ROUNDS {
            C::wait(&parker);
            C::signal(&next);
        }
    });
    for (number, sender) in senders.iter().enumerate() {
        sender.send(unparkers[(number + 1) % THREADS].clone()).unwrap();
    }
    let start = Instant::now();
    C::signal(&unparkers[0]);
    for thread in threads {
        thread.join().unwrap();
    }
    nanos_each(start.elapsed(), ROUNDS * THREADS as u32)
}

/// One thread wakes all others and waits for them: the time of a round.
pub fn fan_out<C: Contender>() -> f64 {
    let (parker, unparker) = C::pair_anywhere();
    let to_do = Arc::new(AtomicUsize::new(THREADS));
    // In a mutex, as a contender's unparker may not be `Sync`.
    let unparker_of_main = Arc::new(Mutex::new(unparker));
    let (unparkers, threads) = spawn::<C>(THREADS, move |_, parker| {
        let main = unparker_of_main.lock().unwrap().clone();
        for _ in 0..ROUNDS {
            C::wait(&parker);
            if to_do.fetch_sub(1, Ordering::AcqRel) == 1 {
                to_do.store(THREADS, Ordering::Release);
                C::signal(&main);
            }
        }
    });
    let start = Instant::now();
    for _ in 0..ROUNDS {
        unparkers.iter().for_each(C::signal);
        C::wait(&parker);
    }
    let time = start.elapsed();
    for thread in threads {
        thread.join().unwrap();
    }
    nanos_each(time, ROUNDS)
}
