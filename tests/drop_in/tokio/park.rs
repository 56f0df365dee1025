//! Threads that block outside of a pool's workers, each on a `Parker` of this crate. In the place of `runtime/park.rs`.

use crate::loom::thread::AccessError;
use atomic_parker::{Parker, Unparker};
use std::future::Future;
use std::marker::PhantomData;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

tokio_thread_local! {
    static THIS_THREAD: Parker = Parker::new();
}

#[derive(Debug, Default)]
pub(crate) struct ParkThread(Parker);

#[derive(Clone, Debug)]
pub(crate) struct UnparkThread(Unparker);

impl ParkThread {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn unpark(&self) -> UnparkThread {
        UnparkThread(self.0.unparker())
    }

    pub(crate) fn park(&mut self) {
        self.0.park();
    }

    pub(crate) fn park_timeout(&mut self, timeout: Duration) {
        self.0.park_timeout(timeout);
    }

    /// Its only thread is the caller, so there is nobody to wake.
    pub(crate) fn shutdown(&mut self) {}
}

impl UnparkThread {
    pub(crate) fn unpark(&self) {
        self.0.unpark();
    }
}

/// The parker of the thread that uses it, so it stays on that thread.
#[derive(Debug)]
pub(crate) struct CachedParkThread(PhantomData<*const ()>);

impl CachedParkThread {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }

    fn with<T>(&self, f: impl FnOnce(&Parker) -> T) -> Result<T, AccessError> {
        THIS_THREAD.try_with(f)
    }

    pub(crate) fn waker(&self) -> Result<Waker, AccessError> {
        self.with(|parker| parker.unparker().into())
    }

    pub(crate) fn park(&mut self) {
        self.with(Parker::park).unwrap();
    }

    pub(crate) fn park_timeout(&mut self, timeout: Duration) {
        self.with(|parker| parker.park_timeout(timeout)).unwrap();
    }

    pub(crate) fn block_on<F: Future>(&mut self, future: F) -> Result<F::Output, AccessError> {
        let waker = self.waker()?;
        let mut context = Context::from_waker(&waker);
        let mut future = std::pin::pin!(future);
        loop {
            let poll = crate::task::coop::budget(|| future.as_mut().poll(&mut context));
            match poll {
                Poll::Ready(output) => return Ok(output),
                Poll::Pending => self.park(),
            }
        }
    }
}
