//! The processor time and the context switches of threads, where the system reports them.

#[cfg(unix)]
use nix::sys::resource::{getrusage, UsageWho};
#[cfg(unix)]
use nix::time::{clock_gettime, ClockId};
use std::ops::{Add, Sub};

/// The processor time that the calling thread has used, in nanoseconds. `None` where the system does not report it exactly.
pub fn thread_cpu() -> Option<f64> {
    #[cfg(unix)]
    {
        cpu(ClockId::CLOCK_THREAD_CPUTIME_ID)
    }
    #[cfg(not(unix))]
    None
}

/// What threads have used so far.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Processor time, in nanoseconds.
    pub cpu: f64,
    /// Voluntary context switches. For a thread that parks: the number of sleeps.
    pub voluntary_switches: f64,
}

impl Usage {
    /// Where the system does not report it.
    pub const UNKNOWN: Self = Self { cpu: f64::NAN, voluntary_switches: f64::NAN };
    pub const NONE: Self = Self { cpu: 0.0, voluntary_switches: 0.0 };
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { cpu: self.cpu + other.cpu, voluntary_switches: self.voluntary_switches + other.voluntary_switches }
    }
}

impl Sub for Usage {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { cpu: self.cpu - other.cpu, voluntary_switches: self.voluntary_switches - other.voluntary_switches }
    }
}

/// The usage of all threads of the process together, including ended threads. `None` where the system does not report it.
pub fn process() -> Option<Usage> {
    #[cfg(unix)]
    {
        usage(ClockId::CLOCK_PROCESS_CPUTIME_ID, UsageWho::RUSAGE_SELF)
    }
    #[cfg(not(unix))]
    None
}

/// The usage of the calling thread. `None` where the system does not report it.
pub fn thread() -> Option<Usage> {
    #[cfg(target_os = "linux")]
    {
        usage(ClockId::CLOCK_THREAD_CPUTIME_ID, UsageWho::RUSAGE_THREAD)
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// What `run` returns, and what was used meanwhile by [`process`] or [`thread`].
pub fn during<T>(by: fn() -> Option<Usage>, run: impl FnOnce() -> T) -> (T, Usage) {
    let before = by();
    let result = run();
    (result, by().zip(before).map_or(Usage::UNKNOWN, |(after, before)| after - before))
}

#[cfg(unix)]
fn cpu(clock: ClockId) -> Option<f64> {
    let time = clock_gettime(clock).ok()?;
    Some(time.tv_sec() as f64 * 1e9 + time.tv_nsec() as f64)
}

#[cfg(unix)]
fn usage(clock: ClockId, who: UsageWho) -> Option<Usage> {
    Some(Usage { cpu: cpu(clock)?, voluntary_switches: getrusage(who).ok()?.voluntary_context_switches() as f64 })
}
