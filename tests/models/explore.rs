//! Shared by the models on loom.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;

/// Runs a model over all interleavings, or over all with at most `preemptions`.
pub fn explore(name: &str, preemptions: Option<usize>, model: fn()) {
    let interleavings = Arc::new(AtomicUsize::new(0));
    let counter = interleavings.clone();
    let mut builder = loom::model::Builder::new();
    // `LOOM_MAX_PREEMPTIONS` can only lower it.
    builder.preemption_bound = builder.preemption_bound.into_iter().chain(preemptions).min();
    let bound = builder.preemption_bound.map_or("complete".into(), |bound| format!("preemptions<={bound}"));
    builder.check(move || {
        counter.fetch_add(1, Relaxed);
        model();
    });
    // The test harness would capture a `println!`.
    let line = format!("model {name}: {} interleavings ({bound})\n", interleavings.load(Relaxed));
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Makes a test of each model on each slow path. Calls the `explore` of the file.
macro_rules! check {
    ($($model:ident on $($slow:ident $(<= $preemptions:literal)?),+;)+) => {$(
        #[allow(non_snake_case)]
        mod $model {$(
            #[test]
            fn $slow() {
                let preemptions = None $(.or(Some($preemptions)))?;
                let name = concat!(stringify!($model), "::", stringify!($slow));
                super::explore(name, preemptions, super::$model::<super::$slow>);
            }
        )+}
    )+};
}
