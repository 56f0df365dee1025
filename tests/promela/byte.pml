/*
 * The byte of src/state.rs with three sleepers and three tokens, deadlines and spurious returns included.
 *
 *   tests/promela.sh byte
 *
 * One statement, or one `atomic`, is one step of the program: an operation on the byte, on a counter of the slow path,
 * or on a lock. Spin goes through all orders of these steps, without weak memory: see tests/loom.rs for that.
 *
 * -DKNOWS      a slow path that counts its sleepers, and calls `leave` under its lock: wait/condvar.rs
 * (without)    a slow path that does not, as wait/futex.rs. It keeps to the contract of `Wait`: a wake that comes after
 *              the check of `still_parked` is not missed. The event count of wait/futex.rs is in tests/loom.rs.
 *
 * Claims: the invariant of src/state.rs in every state. In a final state: each token that was newly set was taken once
 * or is still set, no thread sleeps while the token is set, and PARKED is set only while a thread sleeps. A park
 * without a deadline returns with the token only.
 *
 * Negative controls: -DLEAVE_FORGETS (with KNOWS), -DNO_PASS_ON (without KNOWS), -DTAKE_IN_TWO (both).
 */

#define SLEEPERS 3
#ifndef TOKENS
#define TOKENS 3
#endif

#define EMPTY 0
#define PARKED 1
#define NOTIFIED 2

byte state = EMPTY;
byte newly_set, taken, home;

/* Wakes that an unparker, or a sleeper that passes one on, owes and has not sent. */
byte owed;
/* A sleeper that was woken or returned spuriously, and has not accessed the byte since. */
bool will_look[SLEEPERS];

/* The state of the slow path, and the threads that sleep in the kernel. */
bool locked;
byte inside;
bool asleep[SLEEPERS];
/* The number of spurious returns, of all threads together. */
byte early_returns = 1;

#define some_sleep (asleep[0] || asleep[1] || asleep[2])
#define some_will_look (will_look[0] || will_look[1] || will_look[2])

#define lock() atomic { !locked -> locked = true }
#define unlock() locked = false

/* `Wait::wake`, which the caller has counted in `owed`. The kernel wakes any one of the threads. */
inline wake() {
#ifdef KNOWS
    lock();
    unlock();
#endif
    atomic {
        if
        :: !some_sleep
        :: asleep[0] -> asleep[0] = false; will_look[0] = true
        :: asleep[1] -> asleep[1] = false; will_look[1] = true
        :: asleep[2] -> asleep[2] = false; will_look[2] = true
        fi;
        owed--
    }
}

/* Ends by a wake, by a spurious return or at the deadline. */
inline sleep_in_kernel() {
    skip;
end_asleep:
    if
    :: !asleep[me]
    :: atomic { asleep[me] && timed -> asleep[me] = false; will_look[me] = true; expired = true }
    :: atomic { asleep[me] && early_returns > 0 -> asleep[me] = false; will_look[me] = true; early_returns-- }
    fi
}

inline read_clock() {
    if
    :: timed -> expired = true
    :: true
    fi
}

/* The state that `State::leave` stores. */
#ifdef LEAVE_FORGETS
#define left_behind(others) EMPTY
#else
#define left_behind(others) ((others) -> PARKED : EMPTY)
#endif

inline take() {
#ifdef TAKE_IN_TWO
    got = (state == NOTIFIED);
    if
    :: got -> atomic { state = EMPTY; taken++ }
    :: else
    fi
#else
    atomic {
        got = (state == NOTIFIED);
        if
        :: got -> state = EMPTY; taken++
        :: else
        fi
    }
#endif
}

proctype sleeper(byte me; bool timed) {
    bool got, left, expired, owes;

    take();
    do
    :: got || expired -> break
    :: else ->
        /* `take_or_park` */
        do
        :: atomic { state != NOTIFIED -> state = PARKED; will_look[me] = false };
            break
        :: atomic { state == NOTIFIED -> skip };
            take();
            if
            :: got -> break
            :: else
            fi
        od;
        if
        :: got && owes -> atomic { will_look[me] = false; owed++ };
            wake();
            break
        :: got && !owes -> break
        :: else
        fi;

        /* `Wait::wait` */
        left = false;
#ifdef KNOWS
        lock();
        inside++;
        do
        :: atomic { state == PARKED -> will_look[me] = false };
            read_clock();
            if
            :: expired -> break
            :: else -> atomic { unlock(); asleep[me] = true };
                sleep_in_kernel();
                lock()
            fi
        :: atomic { state != PARKED -> skip };
            break
        od;
        inside--;
        atomic {
            got = (state == NOTIFIED);
            state = left_behind(inside > 0);
            taken = taken + got;
            will_look[me] = false
        };
        left = true;
        unlock();
        read_clock();
#else
        if
        :: atomic { state == PARKED -> asleep[me] = true };
            sleep_in_kernel()
        :: atomic { state != PARKED -> skip }
        fi;
        read_clock();
        if
        :: expired || state == NOTIFIED ->
            atomic {
                got = (state == NOTIFIED);
                state = left_behind(false);
                taken = taken + got;
#ifndef NO_PASS_ON
                owed++;
#endif
                will_look[me] = false
            };
            left = true;
#ifndef NO_PASS_ON
            wake()
#endif
        :: else
        fi;
#endif
        owes = !left
    od;

    /* A token that arrives together with the deadline wins. */
    if
    :: !got -> take()
    :: else
    fi;
    assert(got || timed);
    atomic { will_look[me] = false; home++; got = false; left = false; expired = false; owes = false }
}

proctype unparker() {
    byte found;
    atomic {
        found = state;
        state = NOTIFIED;
        newly_set = newly_set + (found != NOTIFIED);
        owed = owed + (found == PARKED)
    }
    if
    :: found == PARKED -> wake()
    :: else
    fi
}

/* While a thread sleeps, the state is PARKED, or a sleeper is about to get a wake or to check the state. */
active proctype the_invariant() {
end:
    atomic { some_sleep && state != PARKED && owed == 0 && !some_will_look -> assert(false) }
}

/* In a final state. */
active proctype at_rest() {
    timeout;
    assert(newly_set == taken + (state == NOTIFIED));
    assert(home + asleep[0] + asleep[1] + asleep[2] == SLEEPERS);
    assert(some_sleep == (state == PARKED));
    assert(owed == 0)
}

init {
    atomic {
        /* Zero to three of the sleepers have a deadline. They do not differ otherwise. */
        if
        :: run sleeper(0, false); run sleeper(1, false); run sleeper(2, false)
        :: run sleeper(0, true); run sleeper(1, false); run sleeper(2, false)
        :: run sleeper(0, true); run sleeper(1, true); run sleeper(2, false)
        :: run sleeper(0, true); run sleeper(1, true); run sleeper(2, true)
        fi;
        run unparker();
        if
        :: TOKENS > 1 -> run unparker()
        :: else
        fi;
        if
        :: TOKENS > 2 -> run unparker()
        :: else
        fi
    }
}
