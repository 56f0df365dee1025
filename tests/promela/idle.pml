/*
 * The protocol of the idle set, as docs/idle_protocol.md has it: a few workers, and tasks that wait for each other.
 *
 *   tests/promela.sh idle three_tasks grows
 *
 * One statement, `atomic` or `d_step` is one step of the program: a change of the head or of a row of bits, a look at a queue, or a
 * step of a parker, which is its token here. Spin goes through all orders of these steps, one after the other: without weak memory,
 * so there are no fences. tests/loom_idle.rs checks them. A debt that is held is a local variable, and there is one row of bits.
 *
 * A task does not end until all are taken. So a worker that sleeps while a task waits is a hang.
 *
 * Claims: when nothing can go on, all tasks have run, each place is idle (with -DCLOSES: none), and no search is counted. There are no more
 * searches than the head has room for, and without a search there is no debt, but for a start that failed.
 *
 * A look goes through two queues, one after the other. The caller announces each task by `wake_one`; perhaps one time more, before
 * all tasks. One worker, or none, has a deadline: a sleep of it ends, it looks, and calls `next` again.
 *
 * -DWORKERS=2 or 3, -DTASKS=2 or 3: how many.
 * -DANY_ORDER: each look begins with either queue; else with one of the worker's own.
 * -DANY_WAY: each task but the last is announced by `wake_one`, `wake` or `wake_worker`.
 * -DPINNED=n: the last task is for worker n alone, which looks for it first, and the others do not wait for it.
 * -DBATCH: a look at the first queue moves all but one of its tasks to the second, and announces them.
 * -DBESIDES: such an announcement is for other workers, as after many looks that have announced and found nothing. One more look
 * that finds nothing announces.
 * -DPANICS: one look panics, and then its worker calls `next` again.
 * -DCLOSES: the set is closed at the end, perhaps in place of the last announcement. No task waits for another one, and all workers must end.
 * -DFIXED: no deadline, and no announcement before all tasks.
 * -DGROWS=n: the set grows, and all places but n are vacant. A deadline is `keep_alive`: the worker gives up its place.
 * -DFAILS: the first start fails, and if nothing can go on after that, there is one announcement more.
 * -DBY_HAND, with GROWS: a pool that grows by itself is built on a set that does not: see `by_hand`.
 *
 * The negative controls are `#if` and `#ifndef` below, each beside its step, and run in tests/promela.sh. docs/ablation.md has the
 * others: what takes more than two tasks is shown by tests/loom_idle.rs and tests/idle/overtaken.rs.
 */

#ifndef WORKERS
#define WORKERS 3
#endif
#ifndef TASKS
#define TASKS 3
#endif
#ifdef PINNED
#define SHARED (TASKS - 1)
#else
#define SHARED TASKS
#endif
#ifdef BATCH
#define QUEUE 0
#else
#define QUEUE ((work + 1) & 1)
#endif
#if defined(GROWS) && !defined(BY_HAND)
#define STARTS /* a vacant place counts as idle, and an announcement may start a worker there */
#endif
#ifndef GROWS
#define GROWS WORKERS
#endif

/* A debt. */
#define NOTHING 0
#define LOOK_AGAIN 1
#define ONE 2
#define MANY 3
#ifndef NO_MANY
#define plus(a, b) (((a) == ONE && (b) == ONE) -> MANY : ((a) > (b) -> (a) : (b)))
#else
#define plus(a, b) ((a) > (b) -> (a) : (b))
#endif
#define paid(debt) ((debt) == ONE -> NOTHING : (debt))

/* The head, and the bits. A third worker that is not there never sleeps. */
byte idle, searches, debt;
bool closed;
bool bits[6];
#define asleep(place) bits[place]
#define vacant(place) bits[3 + place]
#define ASLEEP 0
#define VACANT 3

/* The number of tasks in each queue, and of shared tasks that were taken; the tokens of the parkers, and which workers begin. */
byte tasks[2], taken;
bool pinned;
bool token[3], started[3];
bool may_panic, may_announce, may_fail, failed;

#define NOBODY 3
#define MAY_CLAIM byte chosen = NOBODY, have; bool again, all, sends, woken, start_fails
#ifdef BESIDES
#define own (besides < NOBODY && searching -> 1 : 0)
#define candidate(kind, place) (bits[kind + place] && (all || besides != place))
#else
#define own 0
#define candidate(kind, place) bits[kind + place]
#endif
#define some(kind) (candidate(kind, 0) || candidate(kind, 1) || candidate(kind, 2))

/* The steps of src/idle/head.rs. */
inline without_search() {
    searches--;
    if
    :: searches == 0 -> debt = NOTHING
    :: else
    fi
}

inline clear_first(kind) {
    if
    :: candidate(kind, 0) -> bits[kind] = false; chosen = 0
    :: !candidate(kind, 0) && candidate(kind, 1) -> bits[kind + 1] = false; chosen = 1
    :: !candidate(kind, 0) && !candidate(kind, 1) && candidate(kind, 2) -> bits[kind + 2] = false; chosen = 2
    :: else
    fi
}

/* Clears the first of these bits, and gives back the debt that was taken before. */
inline claim_first(kind) {
    if
    :: !some(kind)
    :: d_step { some(kind) && have == NOTHING -> clear_first(kind) }
#ifdef GIVES_BACK_LATE
    :: d_step { some(kind) && have != NOTHING -> clear_first(kind) };
        d_step { debt = plus(debt, have); have = NOTHING }
#else
    :: d_step { some(kind) && have != NOTHING ->
            debt = plus(debt, have);
            have = NOTHING
        };
        d_step { clear_first(kind) }
#endif
    fi
}

/* `pass`, and then the unpark or the start. */
inline pass() {
    woken = false;
    do
    :: claim_first(ASLEEP);
        if
        :: d_step { chosen < NOBODY -> token[chosen] = true; chosen = NOBODY; woken = true }; break
        :: chosen == NOBODY
        fi;
#ifdef STARTS
        if
        :: start_fails
        :: !start_fails -> claim_first(VACANT);
            if
            :: d_step { chosen < NOBODY -> started[chosen] = true; chosen = NOBODY; woken = true }; break
#ifdef FAILS
            /* `fail_start` */
            :: d_step { chosen < NOBODY && may_fail ->
                    may_fail = false;
                    failed = true;
                    start_fails = true;
#ifndef LOSES_THE_PLACE
                    vacant(chosen) = true;
#endif
                    chosen = NOBODY;
                    again = true
                }
#endif
            :: chosen == NOBODY
            fi
        fi;
#endif
        if
        :: again
        :: d_step { !again -> /* `found_no_bit` */
            if
#ifndef READS_ONCE
            :: searches == 1 && debt >= ONE -> have = plus(have, debt); debt = NOTHING; again = true;
#ifndef FOR_OTHERS_ONLY
                all = true
#endif
#endif
            :: else ->
                without_search();
                if
                :: start_fails -> debt = plus(debt, plus(ONE, have))
                :: else
                fi;
                have = NOTHING
            fi }
        fi;
        if
        :: again -> again = false
        :: else -> break
        fi
    od;
    start_fails = false;
    all = false
}

/* `wake_one` */
inline announce() {
    d_step {
        woken = false;
        if
        :: idle == 0
        :: idle > 0 && searches > own ->
#ifndef NO_DEBT
            debt = plus(debt, ONE)
#endif
        :: idle > 0 && searches <= own -> searches++; sends = true
        fi
    };
    if
    :: sends -> sends = false; pass()
    :: else
    fi
}

/* The steps of `wake` with more than one piece. It leaves zero. */
inline wake(pieces) {
    do
    :: d_step { pieces == 0 || idle == 0 -> pieces = 0 }; break
    :: d_step { pieces > 0 && idle > 0 -> pieces-- };
        searches++;
        pass();
        if
        :: !woken -> pieces = 0
        :: else
        fi
    od
}

/* `claim`, after `is_quiet`, and then the unpark or the start. */
inline claim(target) {
    if
    :: !asleep(target) && !vacant(target) ->
#ifdef BARE_UNPARK
        token[target] = true
#else
        announce()
#endif
    :: asleep(target) || vacant(target) ->
#ifndef COUNTS_LATE
        searches++;
#endif
        if
        :: d_step { asleep(target) -> asleep(target) = false };
#ifdef COUNTS_LATE
            searches++;
#endif
            token[target] = true
        :: d_step { !asleep(target) && vacant(target) -> vacant(target) = false };
            started[target] = true
        :: !asleep(target) && !vacant(target) ->
#ifdef COUNTS_LATE
            searches++;
#endif
            pass()
        fi
    fi
}

/* The caller's announcement of a pool that is built by hand: if it has woken no worker, it starts one that `enter` returns. */
inline by_hand() {
    announce();
    if
    :: woken
    :: !woken ->
        d_step { clear_first(VACANT) };
        if
        :: d_step { chosen < NOBODY -> started[chosen] = true; chosen = NOBODY }
        :: chosen == NOBODY
        fi
    fi
}
#ifdef BY_HAND
#define announce_shared() by_hand()
#else
#define announce_shared() announce()
#endif

/* `find`: it looks at the queues one after the other. */
inline take(queue) {
    d_step {
        if
        :: tasks[queue] > 0 -> tasks[queue]--; found = true
        :: else
        fi
    }
}
/* Moves the rest of the first queue to the second, and announces it. */
inline take_batch() {
    d_step {
        if
        :: tasks[0] > 0 -> rest = tasks[0] - 1; tasks[0] = 0; found = true
        :: else
        fi
    };
    if
    :: rest > 0 ->
        tasks[1] = tasks[1] + rest;
#ifndef KEEPS_QUIET
        if
        :: rest == 1 -> rest = 0; announce_unless_closed()
        :: rest > 1 -> wake(rest)
        fi
#else
        rest = 0
#endif
    :: rest == 0
    fi
}
inline announce_unless_closed() {
    if
    :: closed
    :: !closed -> announce()
    fi
}
inline look_at(queue) {
#ifdef BATCH
    if
    :: queue == 0 -> take_batch()
    :: queue == 1 -> take(1)
    fi
#else
    take(queue)
#endif
}
inline look() {
#ifdef ANY_ORDER
    if
    :: first = 0
    :: first = 1
    fi;
#endif
#ifdef PINNED
    d_step {
        if
        :: me == PINNED && pinned -> pinned = false; found = true; mine = true
        :: else
        fi
    };
    if
    :: !found -> look_at(first)
    :: found
    fi;
#else
    look_at(first);
#endif
    if
    :: !found -> look_at(1 - first)
    :: found
    fi
}
/* A look of a worker that is signed or searches. */
inline look_or_panic() {
#ifdef BESIDES
    besides = me;
#endif
    if
    :: look();
#ifdef BESIDES
        if
        :: d_step { !found && may_announce -> may_announce = false }; announce()
        :: true
        fi
#endif
#ifdef PANICS
    :: d_step { may_panic -> may_panic = false; panics = true }
#endif
    fi;
#ifdef BESIDES
    besides = NOBODY
#endif
}

/* Reads and clears its own bit. */
#define TAKE_BACK d_step { claimed = !asleep(me); asleep(me) = false }

proctype worker(byte me; bool runs; bool deadline) {
    MAY_CLAIM;
    byte owed, first = me & 1; /* `owed` is the debt that it holds */
    bool searching, found, panics, claimed, expired, ends, ending;
#ifdef PINNED
    bool mine;
#endif
#ifdef BATCH
    byte rest;
#endif
#ifdef BESIDES
    byte besides = NOBODY;
#endif
    if
    :: runs
    :: !runs ->
end_vacant:
        atomic { started[me] -> started[me] = false };
#ifdef STARTS
        searching = true;
        goto searches_again
#endif
    fi;

from_the_start:
#ifdef BESIDES
    besides = me;
#endif
    look();
#ifdef BESIDES
    besides = NOBODY;
#endif
    if
    :: found -> goto works
    :: !found
    fi;

signs:
    asleep(me) = true;
    if
    :: d_step { !searching -> idle++ }
    :: d_step { searching -> /* `found_nothing` */
        if
#ifndef FORGETS_THE_DEBT
        :: searches == 1 && debt != NOTHING ->
            owed = plus(owed, debt);
            debt = NOTHING;
#ifdef ENDS_AND_LOOKS
            searches = 0;
            owed = NOTHING;
            searching = false
#else
            again = true
#endif
        :: searches == 1 && debt == NOTHING ->
#else
        :: searches == 1 ->
#endif
            without_search();
            owed = NOTHING;
            searching = false
        :: searches > 1 ->
            searches--;
#ifndef FAILS_QUIETLY
            debt = plus(debt, plus(ONE, owed));
#endif
            owed = NOTHING;
            searching = false
        fi }
    fi;
    if
    :: again ->
        again = false;
#ifndef STAYS_SIGNED
        TAKE_BACK;
        if
        :: d_step { claimed ->
                claimed = false;
                without_search();
                owed = plus(owed, ONE)
            }
        :: !claimed
        fi;
#endif
        if
#ifdef STARTS /* A worker that gives up its place ends its search first. */
        :: closed -> ending = true; ends = true
        :: !closed
#else
        :: expired || closed -> ending = true; ends = closed
        :: !expired && deadline -> deadline = false; ending = true
        :: !expired && !closed
#endif
        fi;
        goto searches_again
    :: !again
    fi;

looks_again:
#if defined(CLOSES) && !defined(READS_LATE)
    ends = closed;
#endif
#ifndef NO_SECOND_LOOK
    look_or_panic();
    if
    :: found || panics ->
        /* `retract`, and `stop` if it was claimed */
        TAKE_BACK;
        if
        :: claimed ->
            claimed = false;
#ifdef KEEPS_THE_WAKE /* It does as `leave`. */
            goto leaves;
#else
            idle--;
            pass()
#endif
        :: !claimed -> idle--
        fi;
        goto works
    :: !found && !panics
    fi;
#endif
#ifdef READS_LATE
    ends = closed;
#endif
    if
#ifdef STARTS
    /* `give_up` */
#ifdef GIVES_UP_IN_TWO
    :: d_step { expired && asleep(me) -> asleep(me) = false };
        vacant(me) = true;
        expired = false;
        goto is_vacant
#else
    :: d_step { expired && asleep(me) -> asleep(me) = false; vacant(me) = true; expired = false };
        goto is_vacant
#endif
    :: expired && !asleep(me) -> goto is_claimed
    :: !expired ->
#else
    :: expired || ends ->
        TAKE_BACK; /* `retract` */
        if
        :: claimed -> claimed = false; ending = true; goto is_claimed
        :: !claimed -> idle--; goto after_nothing
        fi
    :: !expired && !ends ->
#endif
end_asleep:
        if
        :: atomic { token[me] -> token[me] = false }
        :: d_step { !token[me] && deadline -> deadline = false; expired = true }
        fi;
        if
        :: asleep(me) -> goto looks_again
        :: !asleep(me)
        fi
    fi;

is_claimed:
    searching = true;

searches_again:
    look_or_panic();
    if
    :: found && !panics ->
leaves:
        atomic { /* `found_work` */
            owed = plus(owed, debt);
            idle--;
            if
#ifndef KEEPS_THE_DEBT
            :: owed >= ONE -> debt = paid(owed); sends = true
            :: owed < ONE ->
#else
            ::
#endif
                without_search();
                if
                :: searches > 0 -> debt = LOOK_AGAIN
                :: else
                fi
            fi;
            owed = NOTHING;
            searching = false
        };
        if
        :: sends -> sends = false; pass()
        :: !sends
        fi;
        goto works
    :: panics || !found && ending ->
        d_step { /* `stop` */
            idle--;
            debt = plus(debt, owed);
            owed = NOTHING;
            searching = false
        };
#ifdef STOPS_QUIETLY
        d_step { without_search() };
#else
        pass();
#endif
        goto works
    :: !panics && !found && !ending -> goto signs
    fi;

works:
    if
    :: !found -> goto after_nothing
    :: found
    fi;
#if defined(BY_HAND) && !defined(NO_SECOND_ANNOUNCEMENT)
    /* It may have been woken for another task, and if no worker sleeps, no other one knows of that. */
    if
    :: tasks[0] + tasks[1] > 0 -> by_hand()
    :: tasks[0] + tasks[1] == 0
    fi;
#endif
    d_step {
        found = false;
        expired = false;
        ending = false;
        ends = false;
#ifdef PINNED
        if
        :: mine -> mine = false
        :: else -> taken++
        fi
#else
        taken++
#endif
    };
#ifdef DROPS
    if
    :: d_step { may_panic -> may_panic = false }; goto drops
    :: !may_panic
    fi;
#endif
#ifndef CLOSES
end_in_a_task:
    taken == SHARED;
#endif
    goto from_the_start;

after_nothing:
    atomic { ends = ends && !panics; panics = false; expired = false; ending = false };
#if defined(BY_HAND) || defined(STARTS)
    goto drops; /* Its thread ends. */
#endif
#ifdef CLOSES
    if
    :: ends
    :: !ends -> goto from_the_start
    fi;
    goto over;
#else
    goto from_the_start;
#endif

drops:
    vacant(me) = true;
#ifdef STARTS
    idle++;
#ifndef DROPS_QUIETLY
    announce();
#endif
#else
#ifndef NO_LAST_LOOK
    /* Before it left, a caller could neither wake it nor enter its place. */
    if
    :: tasks[0] + tasks[1] > 0 ->
        d_step { clear_first(VACANT) };
        if
        :: d_step { chosen < NOBODY -> started[chosen] = true; chosen = NOBODY }
        :: chosen == NOBODY
        fi
    :: tasks[0] + tasks[1] == 0
    fi;
#endif
#endif

is_vacant:
    goto end_vacant;
over:
    skip
}

/* Pushes its last task into the second queue, the one before into the first, and so on. */
proctype caller(byte work) {
    MAY_CLAIM;
    byte target = NOBODY, pieces;
#ifdef BESIDES
    byte besides = NOBODY;
    bool searching;
#endif
#ifdef ANNOUNCES_EARLY
    announce();
#endif
#ifndef FIXED
    if
    :: announce() /* for nothing */
    :: skip
    fi;
#endif
    do
    :: work > 0 ->
        d_step {
            work--;
#ifdef PINNED
            if
            :: work == 0 -> target = PINNED; pinned = true
            :: else -> tasks[QUEUE]++
            fi
#else
            tasks[QUEUE]++
#endif
        };
#ifdef ANY_WAY
        if
        :: work > 0
        :: work > 0 -> pieces = 1
        :: work > 0 -> target = 0
        :: work > 0 -> target = 1
        :: work > 0 && WORKERS > 2 -> target = 2
        :: work == 0
        fi;
#endif
        if
        :: target < NOBODY ->
            if
            :: idle == 0
            :: idle > 0 -> claim(target)
            fi
        :: target == NOBODY && pieces == 0 ->
#ifndef ANNOUNCES_EARLY
            announce_shared()
#endif
#ifdef CLOSES
        :: target == NOBODY && work == 0
#endif
        :: pieces > 0 -> wake(pieces)
        fi;
        target = NOBODY
    :: work == 0 -> break
    od;
#ifdef CLOSES
    closed = true;
#ifndef WAKES_NOBODY
    target = 0;
    do
    :: target < NOBODY ->
        if
        :: !asleep(target)
        :: asleep(target) -> claim(target)
        fi;
        target++
    :: target == NOBODY -> break
    od
#endif
#endif
}

active proctype the_head() {
end:
    d_step { (debt != NOTHING && searches == 0 && !failed) || searches > 7 -> assert(false) }
}

/* When nothing can go on. */
active proctype at_rest() {
    MAY_CLAIM;
#ifdef BESIDES
    byte besides = NOBODY;
    bool searching;
#endif
    timeout;
#ifdef FAILS
    if
    :: failed && taken < SHARED -> announce(); timeout
    :: !failed || taken == SHARED
    fi;
#endif
    assert(tasks[0] + tasks[1] == 0 && !pinned && taken == SHARED && searches == 0 && (debt == NOTHING || failed));
#ifdef CLOSES
    assert(idle == 0 && !asleep(0) && !asleep(1) && !asleep(2))
#else
    assert(asleep(0) + asleep(1) + asleep(2) + vacant(0) + vacant(1) + vacant(2) == WORKERS);
#ifdef STARTS
    assert(idle == WORKERS)
#else
    assert(idle == asleep(0) + asleep(1) + asleep(2))
#endif
#endif
}

init {
    byte with_deadline = NOBODY;
    atomic {
        /* No worker, or one of them, has a deadline. */
        if
        :: true
#ifndef FIXED
        :: with_deadline = 0
        :: with_deadline = 1
        :: WORKERS == 3 -> with_deadline = 2
#endif
        fi;
#if defined(PANICS) || defined(DROPS)
        may_panic = true;
#endif
        may_fail = true;
        may_announce = true;
        vacant(0) = GROWS < 1;
        vacant(1) = GROWS < 2;
        vacant(2) = WORKERS == 3 && GROWS < 3;
#ifdef STARTS
        idle = WORKERS - GROWS;
#endif
        run worker(0, GROWS > 0, with_deadline == 0);
        run worker(1, GROWS > 1, with_deadline == 1);
        if
        :: WORKERS == 3 -> run worker(2, GROWS > 2, with_deadline == 2)
        :: else
        fi;
        with_deadline = NOBODY;
        run caller(TASKS)
    }
}
