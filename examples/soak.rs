//! Random work on all slow paths, for as long as you like: `cargo run --release --example soak -- SECONDS`.
//!
//! Runs the stress tests repeatedly, and panics as they do. `--features futex,parking_lot` adds these slow paths.
//!
//! In each line of the table, `set` = `taken` + `left`. A token that is lost or taken twice breaks this sum. A thread that
//! is not woken keeps the run from ending. Good figures: the run ends, the sum in the last line is correct, and in each
//! line all figures but `left` are in the hundreds at least, so that every kind of call has occurred.

// Each example and test uses a part of this module.
#[cfg(not(any(loom, shuttle)))]
#[allow(dead_code)]
#[path = "../tests/it/stress.rs"]
mod stress;
#[cfg(not(any(loom, shuttle)))]
#[allow(dead_code)]
#[path = "../tests/it/support.rs"]
mod support;

#[cfg(not(any(loom, shuttle)))]
fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds = match (arguments.next().map(|seconds| seconds.parse()), arguments.next()) {
        (Some(Ok(seconds)), None) if seconds > 0 => seconds,
        _ => {
            eprintln!("error: give the time to run in whole seconds: cargo run --release --example soak -- SECONDS");
            std::process::exit(1);
        }
    };
    soak::run(std::time::Duration::from_secs(seconds));
}

#[cfg(any(loom, shuttle))]
fn main() {}

#[cfg(not(any(loom, shuttle)))]
mod soak {
    use crate::stress::{mixed, one_each, thieves, Tally};
    use crate::support::{Faulty, Slow, Sticky};
    use atomic_parker::wait;
    use std::time::{Duration, Instant};

    struct Subject {
        name: &'static str,
        round: fn() -> Tally,
        tally: Tally,
    }

    fn subject<W: Slow>(name: &'static str) -> Subject {
        fn round<W: Slow>() -> Tally {
            let mut tally = mixed::<W>(500);
            tally += thieves::<W>(500);
            tally += one_each::<W>(4, 20);
            tally
        }
        Subject { name, round: round::<W>, tally: Tally::default() }
    }

    pub fn run(time: Duration) {
        let mut subjects = vec![
            subject::<wait::Condvar>("Condvar"),
            subject::<Faulty<wait::Condvar>>("Condvar, with faults"),
            #[cfg(all(feature = "futex", target_os = "linux"))]
            subject::<wait::Futex>("Futex"),
            #[cfg(all(feature = "futex", target_os = "linux"))]
            subject::<Faulty<wait::Futex>>("Futex, with faults"),
            #[cfg(feature = "parking_lot")]
            subject::<wait::ParkingLot>("ParkingLot"),
            #[cfg(feature = "parking_lot")]
            subject::<Faulty<wait::ParkingLot>>("ParkingLot, with faults"),
            subject::<Sticky>("sticky, a user's"),
            subject::<Faulty<Sticky>>("sticky, with faults"),
        ];
        let start = Instant::now();
        let mut rounds = 0;
        while rounds == 0 || start.elapsed() < time {
            for subject in &mut subjects {
                subject.tally += (subject.round)();
            }
            rounds += 1;
        }

        println!("slow path                         set        taken         left    coalesced    timed out");
        let mut sum = Tally::default();
        for Subject { name, tally, .. } in &subjects {
            print_row(name, tally);
            sum += *tally;
        }
        print_row("sum", &sum);
        let Tally { set, taken, left, .. } = sum;
        assert_eq!(set, taken + left, "tokens set, and tokens taken or left");
        println!("{rounds} rounds in {:.0?}: {set} set = {taken} taken + {left} left", start.elapsed());
    }

    fn print_row(name: &str, tally: &Tally) {
        let Tally { set, taken, left, coalesced, timed_out } = tally;
        println!("{name:<24} {set:>12} {taken:>12} {left:>12} {coalesced:>12} {timed_out:>12}");
    }
}
