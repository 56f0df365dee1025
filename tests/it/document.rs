//! The example of the document that the crate is based on, with this crate's parker in place of its `Mutex<bool>` and
//! `Condvar`. Only the next line differs. No type annotation was added.

use atomic_parker::AtomicParker as Parker;

use std::future::Future;
use std::pin::{pin, Pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

/// A waker that calls a closure, as `waker_fn` makes it.
struct WakerFn<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for WakerFn<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

fn waker_fn(f: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(WakerFn(f)))
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let parker = Arc::new(Parker::default());
    let waker = {
        let parker = parker.clone();
        waker_fn(move || {
            parker.unpark();
        })
    };
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

/// Ready when the signal is sent.
struct Received(Arc<Signal>);

impl Future for Received {
    type Output = &'static str;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        *self.0.waker.lock().unwrap() = Some(context.waker().clone());
        // As a library that takes the token of `std::thread::park`. It does not take the parker's.
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
