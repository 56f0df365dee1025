//! The usage of the document that the crate starts from: a private parker in the place of its `Mutex<bool>` and
//! `Condvar`. Nothing differs but this line.

use atomic_parker::AtomicParker as Parker;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

/// The waker of the document's executor: it holds a share in the parker.
struct Unpark {
    parker: Arc<Parker>,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.parker.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = Box::pin(future);
    let parker = Arc::new(Parker::default());
    let waker = Waker::from(Arc::new(Unpark { parker: parker.clone() }));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => parker.park(),
        }
    }
}

#[derive(Default)]
struct Signal {
    sent: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

/// Is ready when another thread says so.
struct Received(Arc<Signal>);

impl Future for Received {
    type Output = &'static str;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        *self.0.waker.lock().unwrap() = Some(context.waker().clone());
        // The library that eats the token of `std::thread::park`: it does not touch ours.
        thread::current().unpark();
        thread::park();
        match self.0.sent.load(Ordering::Acquire) {
            true => Poll::Ready("received"),
            false => Poll::Pending,
        }
    }
}

#[test]
fn an_executor_with_a_private_parker() {
    for _ in 0..100 {
        let signal = Arc::<Signal>::default();
        let sender = thread::spawn({
            let signal = signal.clone();
            move || {
                signal.sent.store(true, Ordering::Release);
                if let Some(waker) = signal.waker.lock().unwrap().take() {
                    waker.wake();
                }
            }
        });
        assert_eq!(block_on(Received(signal)), "received");
        sender.join().unwrap();
    }
}

#[test]
fn park_and_unpark_by_shared_reference() {
    let parker: Arc<Parker> = Arc::new(Parker::default());
    let unparker = parker.clone();
    parker.unpark();
    parker.park();
    let thread = thread::spawn(move || unparker.unpark());
    parker.park();
    assert!(thread.join().unwrap());
}
