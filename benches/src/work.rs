//! Something to do for a thread.

use std::hint::black_box;
use std::sync::OnceLock;
use std::time::Instant;

/// Uses `nanos` of processor time. It counts steps, as a clock also runs while the thread is preempted.
pub fn work(nanos: u64) {
    static STEPS_A_MICROSECOND: OnceLock<u64> = OnceLock::new();
    fn steps(count: u64) {
        (0..count).for_each(|step| _ = black_box(step));
    }
    let a_microsecond = *STEPS_A_MICROSECOND.get_or_init(|| {
        let times = (0..20).map(|_| {
            let start = Instant::now();
            steps(200_000);
            start.elapsed().as_nanos() as u64
        });
        200_000 * 1_000 / times.min().unwrap().max(1)
    });
    steps(nanos * a_microsecond / 1_000);
}
