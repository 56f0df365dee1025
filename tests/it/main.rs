//! The crate's guarantees, on real threads. The models are in `tests/loom.rs`.
#![cfg(not(any(loom, shuttle)))]

mod alloc;
#[path = "../allocations/mod.rs"]
mod allocations;
mod document;
#[cfg(target_os = "linux")]
mod fork;
mod model;
mod one_source;
#[cfg(all(unix, not(miri)))]
mod signals;
mod spin;
#[cfg(all(feature = "futex", any(target_os = "linux", target_os = "android"), not(miri)))]
mod storm;
mod stress;
mod suite;
mod support;
mod types;
mod users_wait;
mod wakers;

/// Makes a module with the whole suite, on one slow path.
macro_rules! stamp {
    ($($(#[$meta:meta])* $module:ident: $wait:ty;)*) => {$(
        $(#[$meta])*
        mod $module {
            type W = $wait;
            stamp! { @tests
                an_unpark_releases_a_sleeper,
                a_timed_sleeper_is_released_before_its_deadline,
                two_threads_hand_the_token_back_and_forth,
                notify_returns_the_state_before,
                only_a_sleeper_is_woken,
                handles_compare_by_parker,
                an_unparker_outlives_its_parker,
                raw_pointers_keep_the_references,
                a_waker_unparks,
                zero_timeouts_and_past_deadlines_do_not_sleep,
                no_timeout_before_the_deadline,
                huge_timeouts_never_pass,
                after_a_timeout_the_parker_is_empty,
                after_several_timeouts_the_parker_is_empty,
                a_timeout_of_others_keeps_parked,
                every_unpark_publishes,
                a_timeout_loses_no_token,
                the_sleeper_may_drop_the_parker_at_once,
                parks_in_a_destructor_of_a_thread_local,
                the_tokens_add_up,
                thieves_lose_no_sleeper,
                a_stolen_token_loses_no_sleeper,
                each_token_releases_one_in_every_round,
            }

            #[test]
            fn agrees_with_the_model() {
                crate::model::agrees::<W>();
            }
        }
    )*};
    (@tests $($test:ident,)*) => {$(
        #[test]
        fn $test() {
            crate::suite::$test::<W>();
        }
    )*};
}

stamp! {
    condvar: atomic_parker::wait::Condvar;
    condvar_with_faults: crate::support::Faulty<atomic_parker::wait::Condvar>;
    #[cfg(all(feature = "futex", target_os = "linux"))]
    futex: atomic_parker::wait::Futex;
    #[cfg(all(feature = "futex", target_os = "linux"))]
    futex_with_faults: crate::support::Faulty<atomic_parker::wait::Futex>;
    #[cfg(feature = "parking_lot")]
    parking_lot: atomic_parker::wait::ParkingLot;
    #[cfg(feature = "parking_lot")]
    parking_lot_with_faults: crate::support::Faulty<atomic_parker::wait::ParkingLot>;
    sticky: crate::support::Sticky;
    sticky_with_faults: crate::support::Faulty<crate::support::Sticky>;
    nap: crate::support::Nap;
}
