//! The processor time and the context switches of threads, where the system reports them.

/// The processor time that the calling thread has used, in nanoseconds. `None` where the system does not report it exactly.
pub fn thread_cpu() -> Option<f64> {
    #[cfg(unix)]
    {
        use nix::time::{clock_gettime, ClockId};

        let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok()?;
        Some(time.tv_sec() as f64 * 1e9 + time.tv_nsec() as f64)
    }
    #[cfg(not(unix))]
    None
}

/// The usage of all threads of the process together, including ended threads.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Processor time, in nanoseconds.
    pub cpu: f64,
    /// Voluntary context switches. For a thread that parks: the number of sleeps.
    pub voluntary_switches: f64,
}

/// `None` where the system does not report it.
pub fn process() -> Option<Usage> {
    #[cfg(unix)]
    {
        use nix::sys::resource::{getrusage, UsageWho};
        use nix::time::{clock_gettime, ClockId};

        let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).ok()?;
        let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
        Some(Usage {
            cpu: time.tv_sec() as f64 * 1e9 + time.tv_nsec() as f64,
            voluntary_switches: usage.voluntary_context_switches() as f64,
        })
    }
    #[cfg(not(unix))]
    None
}
