//! The processor time and the context switches of threads, where the system tells them.

/// The processor time that the calling thread has used, in nanoseconds. `None` where the system does not tell it exactly.
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

/// What all threads of the process have used together, those that have ended too.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Processor time, in nanoseconds.
    pub cpu: f64,
    /// How often a thread gave up its processor by itself: for a thread that parks, how often it slept.
    pub voluntary_switches: f64,
}

/// `None` where the system does not tell it.
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
