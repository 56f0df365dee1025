/*
 * The role of the driver, src/driver/role.rs, and the sleeps of `DriverOr` in src/driver/mod.rs: three threads share an event loop.
 *
 *   tests/promela.sh driver
 *
 * A thread parks, runs a task, and parks again. Each event and each timer that is delivered sets the token of any one of the threads, and so does
 * another thread outside of the group. A task ends soon, or blocks for ever.
 *
 * A `d_step` is one step of the program: what the code does under the lock of the role, of which the other threads see only the one store to the word,
 * or an operation on a token, on the word, or on the event loop. A step joins several of these where nothing that another thread may do between them
 * makes a difference, for example `awake` and the `leave` of the state. A time that a thread waits for may come at any moment.
 *
 * The event loop: `wait` first reads the timers, all of which are due. It ends if it saw one, for an event, or for the interrupter, which is sticky. It
 * does not end for a timer that was added later. It takes the events with it. `deliver` sets a token for each of them, and for each timer.
 *
 * Claims:
 * - While a thread is in the list of sleepers, the role is held, or there is a standby: it is awake, counts down, or a wake is on its way to it.
 *   Who holds the role runs no task. One thread at a time is in the event loop.
 * - When nothing can go on, all events and timers have been delivered and all tokens taken, unless all threads are blocked. One thread waits in the event
 *   loop, and the others sleep without a limit. It is no bare thread beside a sleeping worker, unless it took the role as the standby, and has not
 *   delivered since.
 * - A park returns with a token, at its deadline, or with a panic. After a period in which nothing happened, the standby counts no more.
 *
 * -DBARE=n        the first n threads are bare, the others are workers; the rank of a worker is its number
 * -DEVENTS=n, -DTIMERS=n, -DUNPARKS=n, -DBLOCKS=n   how many events, timers, tokens from outside, and tasks that block
 * -DTIMEOUTS=n    so many sleeps end at a deadline
 * -DPANICS=n      so many panics: of `wait`, of `deliver`, or of a thread's own slow path
 * -DPOLLS_NOW=n   so many calls of `poll_now`, each between two parks
 * -DSHARED        all threads use one slow path: a wake reaches all beds that are in the list
 * -DNEVER         `hand_over_after` is `Duration::MAX`: the claims hold once a thread has gone to sleep since the role was given up, or beside a busy one
 *                 that polled until then
 *
 * Not modelled: weak memory, and so the fences (tests/loom_driver.rs); several threads on one `AtomicParker`; which sleeper is armed of several bare ones (here
 * the last one); how an idle set chooses the thread for a token; a change of `hand_over_after`; a panic of the interrupter.
 *
 * Each step that the claims need has a negative control: see the `#if`s below, and the list in tests/promela.sh. The claims hold without the steps
 * that only save wakes: that the standby waits for its time, that it takes the role at once if that was given up seldom, that it counts for a period
 * while the role is held, `awake`, and the `leave` of the state before `deliver`.
 */
#ifndef BARE
#define BARE 0
#endif
#ifndef EVENTS
#define EVENTS 1
#endif
#ifndef TIMERS
#define TIMERS 0
#endif
#ifndef UNPARKS
#define UNPARKS 0
#endif
#ifndef BLOCKS
#define BLOCKS 1
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0
#endif
#ifndef PANICS
#define PANICS 0
#endif
#ifndef POLLS_NOW
#define POLLS_NOW 0
#endif
#define THREADS 3
#define NONE 3
#define BUSY 4
/* After such a period, the standby stops to count. */
#ifndef NEVER_STOPS
#define is_quiet (taken <= 1)
#else
#define is_quiet false
#endif

/* The tokens of the parkers, and of the beds. */
#define EMPTY 0
#define PARKED 1
#define NOTIFIED 2
byte state[THREADS];
bool bed[THREADS];

/* The word. */
byte holder = NONE;
bool waiting;

/* Under the lock. `due`: the time of the standby has come. */
bool asleep[THREADS];
byte standby = NONE;
bool at_once, due;
/* A thread has gone to its bed beside a busy one that polls. */
bool missed;
/* Whether the standby began a period, and how often the role was taken since. */
bool begun;
byte taken;

/* The event loop: a wait is to end; events, before and after a wait has found them; timers. */
bool signal;
byte ready, found, timers;

/* What may still happen. */
byte blocks = BLOCKS, timeouts = TIMEOUTS, panics = PANICS, polls_now = POLLS_NOW;

/* For the claims: a thread is in its bed, and for a limited time; it is blocked. A wake is on its way to a standby. */
bool in_bed[THREADS], counts[THREADS], blocked[THREADS];
byte arming[THREADS];
/* A thread is in the event loop. The holder took the role as the standby. A thread has gone to sleep since the role was given up. */
bool inside, took_over, slept;

#define any(list) (list[0] || list[1] || list[2])
#define is_bare(thread) ((thread) < BARE)
#define a_worker_sleeps (asleep[0] && BARE < 1 || asleep[1] && BARE < 2 || asleep[2] && BARE < 3)
#define is_woken (standby != NONE && (!in_bed[standby] || counts[standby] || bed[standby] || arming[standby] > 0))

/* At the end of each step under the lock. */
inline check() {
#ifndef NEVER
    assert(holder != NONE || is_woken || !any(asleep));
#else
    assert(holder != NONE || is_woken || !any(asleep) || !slept);
#endif
    assert(standby == NONE || asleep[standby])
}

/* Under the lock. */
inline no_standby() {
    standby = NONE;
    at_once = false;
    begun = false;
    taken = 0
}

/* Under the lock: the sleeper with the highest rank. Bare threads have the same one. */
inline arm(now) {
    no_standby();
    if
    :: asleep[2] && (!is_bare(2) || !a_worker_sleeps) -> armed = 2
    :: else ->
        if
        :: asleep[1] && (!is_bare(1) || !a_worker_sleeps) -> armed = 1
        :: else ->
            if
            :: asleep[0] -> armed = 0
            :: else
            fi
        fi
    fi;
    if
    :: armed != NONE -> standby = armed; at_once = now; arming[armed]++
    :: else
    fi
}

/* After the lock. */
inline wake_armed() {
#ifndef ARMS_QUIETLY
    bed[armed] = true;
#endif
    arming[armed]--;
    armed = NONE
}

/* Under the lock. */
inline take(it) {
    holder = it;
    if
    :: begun && taken < 2 -> taken++
    :: else
    fi
}

/* Under the lock. A role that was given up lately is not taken at once. */
inline give_up(lately) {
    gives_way = holder != BUSY && is_bare(holder) && a_worker_sleeps;
#ifndef NO_ARM_AFTER_BUSY
    gives_way = gives_way || missed;
#endif
#ifndef KEEPS_ROLE
    holder = NONE;
    waiting = false;
#endif
    took_over = false;
    due = false;
#ifndef NEVER
    if
#ifndef NO_ARM
    :: any(asleep) && (standby == NONE || gives_way) -> arm(gives_way || !lately)
#endif
    :: else
    fi;
#else
    slept = missed;
    if
    :: any(asleep) && gives_way -> arm(true)
    :: else
    fi;
#endif
    gives_way = false;
    missed = false;
    check()
}

/* The end of a park. */
inline returns() {
    if
    :: panicked && has_token -> state[me] = NOTIFIED /* put back */
    :: panicked && !has_token && state[me] == PARKED -> state[me] = EMPTY
    :: !panicked && !has_token -> assert(state[me] == NOTIFIED || timed_out); state[me] = EMPTY
    :: else
    fi;
    has_token = false;
    timed_out = false;
    panicked = false
}

/* The event loop. */
inline enter() {
    assert(!inside);
    inside = true;
    sees = timers > 0
}
inline take_events() {
    found = found + ready;
    ready = 0;
    sees = false
}
/* Together with `awake`, and with the `leave` of the state. */
inline end_of_wait() {
    take_events();
    waiting = false;
    has_token = (state[me] == NOTIFIED);
    state[me] = EMPTY
}

/* The first step of an `unpark`: options for any thread. */
#define token_for(it, condition, spend) \
    :: d_step { condition && state[it] != PARKED -> spend; state[it] = NOTIFIED } \
    :: d_step { condition && state[it] == PARKED -> spend; state[it] = NOTIFIED; target = it }
#define token(condition, spend) token_for(0, condition, spend) token_for(1, condition, spend) token_for(2, condition, spend)

/* The last step. */
inline wake_bed() {
#ifdef SHARED
    bed[0] = bed[0] || asleep[0];
    bed[1] = bed[1] || asleep[1];
    bed[2] = bed[2] || asleep[2];
#elif !defined(NO_BED)
    bed[target] = true;
#endif
    target = NONE
}

/* What a thread does first, as it has armed a standby, or is a worker that takes over. */
#define is_free (armed == NONE && !takes_over)
#ifndef NO_TAKE_OVER
#define interrupts signal = true
#else
#define interrupts skip
#endif
#define duties \
    :: d_step { armed != NONE -> wake_armed() } \
    :: d_step { armed == NONE && takes_over -> takes_over = false; interrupts }

/* Of a thread that looks. */
#define must_leave (state[me] != PARKED || timed_out || panicked)
#define is_standby (listed && standby == me)
#ifndef TAKES_NEVER
#define is_early (is_standby && !at_once && !due)
#else
#define is_early (is_standby && !at_once)
#endif
#ifndef TWO_POLL
#define must_sleep (holder != NONE || is_early || !is_standby && is_bare(me) && a_worker_sleeps)
#else
#define must_sleep (is_early || !is_standby && is_bare(me) && a_worker_sleeps)
#endif

#ifndef NEVER
#define lacks_a_standby (!is_standby && holder < THREADS && !(is_bare(me) && a_worker_sleeps) && \
    (standby == NONE || !is_bare(me) && (is_bare(standby) || standby < me)))
#else
#define lacks_a_standby false
#endif

proctype thread(byte me) {
    byte target = NONE, armed = NONE;
    bool listed, gives_way, takes_over, over, has_token, timed_out, panicked, sees;

task:
    do
    duties
    :: d_step { is_free && blocks > 0 -> assert(holder != me && !listed); blocks--; blocked[me] = true };
        goto end_blocked
#ifndef BUSY_BESIDE
    :: d_step { is_free && polls_now > 0 && holder == NONE -> polls_now--; take(BUSY); enter(); take_events() };
#else
    :: d_step { is_free && polls_now > 0 -> polls_now--; take(BUSY); enter(); take_events() };
#endif
        goto delivers
    :: d_step { is_free && state[me] == NOTIFIED -> state[me] = EMPTY }
    :: d_step { is_free && state[me] != NOTIFIED ->
            assert(holder != me && !listed);
#ifdef SHARED
            bed[me] = false;
#endif
            state[me] = PARKED
        };
        break
    od;

looks:
    do
    duties
    :: d_step { is_free && must_leave ->
            if
            :: listed ->
#ifndef STAYS_LISTED
                asleep[me] = false;
#endif
                listed = false;
                over = false;
                if
#ifdef LEAVES_ALONE
                :: standby == me -> no_standby()
#elif !defined(STAYS_STANDBY)
                :: standby == me && holder == NONE -> arm(at_once)
                :: standby == me && holder != NONE -> no_standby()
#endif
                :: else
                fi;
                check()
            :: else
            fi;
            returns()
        };
        goto task
#ifdef CHECKS_EARLY
    :: is_free && !must_leave -> break
    od;
    do
#define must_leave_now false
#else
#define must_leave_now must_leave
#endif
    :: d_step { is_free && !must_leave_now && !must_sleep ->
#ifndef POLLS_LISTED
            asleep[me] = false;
#endif
            take(me);
#if !defined(NO_WAITING) && !defined(LATE_WAITING)
            waiting = true;
#endif
            if
#ifndef POLLS_AS_STANDBY
            :: is_standby -> no_standby(); took_over = true
#endif
            :: else
            fi;
            listed = false;
            over = false;
            check()
        };
        goto polls
    /* The role is often left: this may be so whenever it is held. */
    :: d_step { is_free && !must_leave_now && must_sleep && lacks_a_standby ->
            no_standby();
            standby = me;
            begun = true;
#ifndef NO_LIMIT_AT_FIRST
            counts[me] = true;
#endif
            takes_over = waiting && holder < THREADS && is_bare(holder) && !is_bare(me);
            asleep[me] = true;
            listed = true;
            over = false;
            in_bed[me] = true;
            check()
        };
        break
#ifdef LIST_LATE
    :: d_step { is_free && !must_leave_now && must_sleep -> skip };
        break
    od;
    do
    :: d_step { true ->
#else
    :: d_step { is_free && !must_leave_now && must_sleep ->
#endif
            if
            :: is_standby && holder == NONE -> /* it counts down to `due` */
                assert(!due);
#ifndef NO_LIMIT
                counts[me] = true;
#endif
                begun = true;
                taken = 0
            :: is_standby && holder != NONE && (at_once || begun && over && is_quiet) ->
#ifndef STALE_STANDBY
                no_standby()
#else
                skip
#endif
            :: is_standby && holder != NONE && !at_once && begun && !over -> /* the period goes on */
                counts[me] = true
            :: is_standby && holder != NONE && !at_once && (!begun || over && !is_quiet) ->
                assert(!begun || taken > 0);
                counts[me] = true;
                begun = true;
                taken = 0
            :: else ->
                asleep[me] = true;
                listed = true;
                if
#if !defined(NO_ARM_BY_SLEEPER) && !defined(LIST_LATE)
                :: holder == NONE && standby == NONE -> arm(true)
#endif
                :: else
                fi;
                takes_over = waiting && holder < THREADS && is_bare(holder) && !is_bare(me)
            fi;
#ifdef NEVER
            slept = true;
#endif
            missed = missed || holder == BUSY;
            over = false;
            in_bed[me] = true;
            check()
        };
        break
    od;

    do
    duties
    :: is_free -> break
    od;
end_in_bed:
    if
    :: d_step { bed[me] -> bed[me] = false; in_bed[me] = false; counts[me] = false }
    :: d_step { counts[me] ->
            if
            :: holder == NONE -> due = true
            :: else -> over = true
            fi;
            in_bed[me] = false;
            counts[me] = false
        }
    :: d_step { timeouts > 0 -> timeouts--; timed_out = true; in_bed[me] = false; counts[me] = false }
    :: d_step { panics > 0 ->
            panics--;
            panicked = true;
#ifdef PANIC_STAYS
            listed = false;
#endif
            in_bed[me] = false;
            counts[me] = false
        }
    fi;
    goto looks;

polls:
#ifdef LATE_WAITING
    if
    :: must_leave -> goto gives_up
    :: !must_leave -> waiting = true
    fi;
#define must_leave_then false
#elif defined(POLLS_WITH_TOKEN)
#define must_leave_then timed_out
#else
#define must_leave_then must_leave
#endif
    if
    :: d_step { must_leave_then -> give_up(true) };
        goto looks
    :: d_step { must_leave_then -> give_up(false) };
        goto looks
    :: d_step { !must_leave_then -> assert(holder == me); enter() }
    fi;

end_in_event_loop:
    if
    :: d_step { signal -> signal = false; end_of_wait() }
    :: d_step { ready > 0 || found > 0 || sees -> end_of_wait() }
    :: d_step { timeouts > 0 -> timeouts--; timed_out = true; end_of_wait() }
    :: d_step { panics > 0 -> panics--; panicked = true; inside = false; take_events() };
        goto gives_up
    fi;

delivers:
    do
    :: d_step { target != NONE -> wake_bed() }
    token(target == NONE && found > 0, found--)
    token(target == NONE && found == 0 && timers > 0, timers--)
    :: d_step { target == NONE && panics > 0 -> panics--; panicked = true; inside = false };
        if
        :: holder == BUSY -> panicked = false; goto gives_up_now
        :: holder != BUSY -> goto gives_up
        fi
    :: target == NONE && found == 0 && timers == 0 && holder == BUSY -> inside = false; goto gives_up_now
    /* `parks_again` */
    :: d_step { target == NONE && found == 0 && timers == 0 && holder != BUSY && !has_token && state[me] != NOTIFIED ->
            inside = false;
            state[me] = PARKED
        };
        break
#ifdef LOSES_TOKEN
    :: d_step { target == NONE && found == 0 && timers == 0 && holder != BUSY && !has_token && state[me] == NOTIFIED ->
            inside = false;
            state[me] = EMPTY
        };
        break
#else
    :: d_step { target == NONE && found == 0 && timers == 0 && holder != BUSY && !has_token && state[me] == NOTIFIED ->
            has_token = true;
            state[me] = EMPTY
        }
#endif
    :: d_step { target == NONE && found == 0 && timers == 0 && holder != BUSY && has_token ->
            inside = false;
            give_up(true);
            returns()
        };
        goto task
    :: d_step { target == NONE && found == 0 && timers == 0 && holder != BUSY && has_token ->
            inside = false;
            give_up(false);
            returns()
        };
        goto task
    od;

    /* `again` */
#ifndef STAYS_BARE
#define must_give_way (is_bare(me) && a_worker_sleeps)
#else
#define must_give_way false
#endif
#if !defined(NO_WAITING_AGAIN) && !defined(LATE_WAITING)
#define waits_again waiting = true
#else
#define waits_again skip
#endif
    if
    :: d_step { must_give_way -> took_over = false };
        goto gives_up
#ifndef AGAIN_IN_TWO
    :: d_step { !must_give_way -> took_over = false; waits_again };
#else
    :: d_step { !must_give_way -> took_over = false };
        waits_again;
#endif
        goto polls
    fi;

gives_up:
#ifdef PANIC_KEEPS_ROLE
    if
    :: panicked -> goto looks
    :: !panicked
    fi;
#endif
    if
    :: d_step { true -> give_up(true) }
    :: d_step { true -> give_up(false) }
    fi;
    goto looks;

gives_up_now:
    if
#ifndef BUSY_LEAVES_ALONE
    :: d_step { true -> give_up(true) }
    :: d_step { true -> give_up(false) }
#else
    :: d_step { true -> holder = NONE; check() }
#endif
    fi;
    goto task;

end_blocked:
    false
}

proctype events() {
    byte left = EVENTS;
    do
    :: d_step { left > 0 -> left--; ready++ }
    :: left == 0 -> break
    od
}

proctype adds_timers() {
    byte left = TIMERS;
    do
    :: d_step { left > 0 -> left--; timers++ };
        d_step {
            if
#ifndef NO_INTERRUPT_FOR_TIMERS
            :: waiting -> signal = true
#endif
            :: else
            fi
        }
    :: left == 0 -> break
    od
}

proctype outside() {
    byte left = UNPARKS, target = NONE;
    bool interrupted;
    do
    :: d_step { target != NONE && !interrupted ->
            if
#ifdef NO_INTERRUPT
#elif defined(SHARED)
            :: waiting -> signal = true
#else
            :: waiting && holder == target -> signal = true
#endif
            :: else
            fi;
            interrupted = true
        }
    :: d_step { target != NONE && interrupted -> wake_bed(); interrupted = false }
    token(target == NONE && left > 0, left--)
    :: target == NONE && left == 0 -> break
    od
}

active proctype at_rest() {
    byte it;
    timeout;
    if
    :: atomic { blocked[0] && blocked[1] && blocked[2] -> skip }
#ifdef NEVER
    :: atomic { holder == NONE && !slept -> skip }
#endif
    :: else ->
        assert(ready == 0 && found == 0 && timers == 0);
        assert(holder < THREADS && standby == NONE && !any(counts) && !blocked[holder]);
        assert(!(is_bare(holder) && a_worker_sleeps) || took_over);
        do
        :: it < THREADS -> assert(blocked[it] || state[it] == PARKED); it++
        :: else -> break
        od
    fi
}

init {
    atomic {
        run thread(0);
        run thread(1);
        run thread(2);
        run events();
        run adds_timers();
        run outside()
    }
}
