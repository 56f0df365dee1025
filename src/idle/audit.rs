//! The audit of an idle set: sleeping workers look by themselves now and then, and what they find is a mistake.

use crate::sync::{self, lock, Mutex};
use std::cell::Cell;
use std::fmt;
use std::time::{Duration, Instant};

/// A mistake in the use of an idle set, told by [`Builder::audit`](super::Builder::audit).
///
/// `Display` says what to look for.
///
/// # Examples
///
/// ```
/// use atomic_parker::idle::Idle;
/// use std::sync::mpsc;
/// use std::time::Duration;
///
/// let (sender, findings) = mpsc::channel();
/// let audit = move |finding: &_| _ = sender.send(format!("{finding}"));
/// let (idle, _workers) = Idle::builder(1).audit(Duration::from_secs(1), audit).build();
/// idle.wake_worker(7);
/// assert!(findings.recv().unwrap().starts_with("wake_worker was called for worker 7"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// This worker found work by itself: no announcement led to it, and none came within a moment.
    Unannounced {
        /// Its index.
        worker: usize,
    },
    /// A call of this worker's `find` took longer than the period of the audit.
    LongFind {
        /// Its index.
        worker: usize,
        /// How long it took.
        took: Duration,
    },
    /// The set has no worker, and announced work may wait. Without [`Idle::close`](super::Idle::close), also told if the last worker found
    /// all of it in its last look, or ran in [`Steps`](super::Steps).
    NoWorkers,
    /// Work was announced after [`Idle::close`](super::Idle::close).
    AfterClose,
    /// [`Idle::wake_worker`](super::Idle::wake_worker) was called with an index that no worker of the set has had.
    NoSuchWorker {
        /// The index.
        index: usize,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Unannounced { worker } => write!(
                f,
                "worker {worker} found work that no announcement led to. Look for a push without `wake_one`, an announcement \
                 before its push, the rest of a batch that `find` moved, or pinned work that was announced by `wake_one` in \
                 place of `wake_worker`"
            ),
            Finding::LongFind { worker, took } => write!(
                f,
                "a `find` of worker {worker} took {took:?}. Look for a task that runs within `find`: `find` returns it, and \
                 the caller runs it"
            ),
            Finding::NoWorkers => f.write_str(
                "the set has no worker, and announced work may wait. Look for tasks that panic through their worker, or for \
                 threads that end without a successor",
            ),
            Finding::AfterClose => f.write_str(
                "work was announced after `close`, and perhaps no worker looks again. Look for a push after `close`; if \
                 the caller drops the work when `wake_one` returns `Closed`, all is well",
            ),
            Finding::NoSuchWorker { index } => {
                write!(f, "wake_worker was called for worker {index}, which the set does not have")
            }
        }
    }
}

/// An announcement that came this much later than the work, or half a period later, is not a mistake.
const MOMENT: Duration = Duration::from_millis(5);

sync::local! {
    /// Whether this thread is in a report.
    static REPORTS: Cell<bool> = Cell::new(false);
}

pub(super) struct Audit {
    pub(super) every: Duration,
    report: Box<dyn Fn(&Finding) + Send + Sync>,
    seen: Mutex<Seen>,
}

struct Seen {
    announcements: u64,
    /// How many of them have ended.
    ended: u64,
    /// How many announcements there were when the last look began that found nothing.
    nothing_after: u64,
    suspect: Option<Suspect>,
}

/// Work that a worker found by itself. If its announcement comes within a moment, nothing is wrong.
#[derive(Clone, Copy)]
struct Suspect {
    worker: usize,
    until: Instant,
}

/// One look that the audit watches.
pub(super) struct Look {
    announcements: u64,
    began: Instant,
    /// An announcement went on when it began.
    beside: bool,
}

/// An announcement that goes on.
pub(super) struct Announcing<'a>(&'a Audit);

impl Drop for Announcing<'_> {
    fn drop(&mut self) {
        lock(&self.0.seen).ended += 1;
    }
}

impl Audit {
    pub(super) fn new(every: Duration, report: Box<dyn Fn(&Finding) + Send + Sync>) -> Self {
        let seen = Seen { announcements: 0, ended: 0, nothing_after: 0, suspect: None };
        Self { every, report, seen: Mutex::new(seen) }
    }

    /// Not from within `report` itself, which may announce: an announcement can be the next finding, without end.
    pub(super) fn report(&self, finding: &Finding) {
        struct End;
        impl Drop for End {
            fn drop(&mut self) {
                let _ = REPORTS.try_with(|reports| reports.set(false));
            }
        }
        if !REPORTS.try_with(|reports| reports.replace(true)).unwrap_or(false) {
            let _end = End;
            (self.report)(finding);
        }
    }

    /// Work is announced: a suspect of the last moment is none.
    pub(super) fn announces(&self) -> Announcing<'_> {
        self.check();
        let mut seen = lock(&self.seen);
        seen.announcements += 1;
        seen.suspect = None;
        Announcing(self)
    }

    /// Reports a suspect whose moment is over.
    pub(super) fn check(&self) {
        let mut seen = lock(&self.seen);
        let Some(suspect) = seen.suspect.take_if(|suspect| sync::has_passed(Some(suspect.until))) else { return };
        drop(seen);
        self.report(&Finding::Unannounced { worker: suspect.worker });
    }

    /// When a sleeping worker looks by itself, or checks a suspect; `None` if the clock cannot express it.
    pub(super) fn until(&self) -> Option<Instant> {
        let suspect = lock(&self.seen).suspect.map(|suspect| suspect.until);
        sync::deadline_after(self.every).into_iter().chain(suspect).min()
    }

    pub(super) fn begin_look(&self) -> Look {
        let seen = lock(&self.seen);
        let beside = seen.announcements > seen.ended;
        Look { announcements: seen.announcements, began: sync::now(), beside }
    }

    /// `by_itself`: no announcement has led to this look, and after its begin no search was counted. So no work that had been announced
    /// by then waits; what the look has found is not announced, if no announcement has gone on meanwhile.
    pub(super) fn end_look(&self, look: Look, worker: usize, found: bool, by_itself: bool) {
        let took = sync::now().saturating_duration_since(look.began);
        let mut seen = lock(&self.seen);
        if !found {
            seen.nothing_after = seen.nothing_after.max(look.announcements);
        } else if by_itself && !look.beside && look.announcements == seen.announcements && seen.suspect.is_none() {
            let until = sync::deadline_after((self.every / 2).max(MOMENT));
            seen.suspect = until.map(|until| Suspect { worker, until });
        }
        drop(seen);
        if took > self.every {
            self.report(&Finding::LongFind { worker, took });
        }
    }

    /// Whether work was announced, and no look that began later has found nothing.
    pub(super) fn work_may_wait(&self) -> bool {
        let seen = lock(&self.seen);
        seen.nothing_after < seen.announcements
    }
}
