/*
 * The words of src/idle/word.rs with two or three workers, and two or three tasks that wait for each other.
 *
 *   tests/promela.sh idle more_idle
 *
 * One statement, or one `atomic`, is one step of the program: an operation on the head or on the bits, a look at a
 * queue, or a step of a parker, which is its token here. Spin goes through all orders of these steps, without weak
 * memory, so the model has no fences: tests/loom_idle.rs checks them.
 *
 * A task does not end until all are taken. So a worker that sleeps while a task waits is a hang.
 *
 * Claims: no worker sleeps at the end while a task waits. OWED and AGAIN are set only while a search is counted. In a final
 * state, all workers are counted as idle (with -DCLOSES: none), and no search is counted.
 *
 * A call of `find` looks at two queues, one after the other. Without options, the caller may announce something that is not there,
 * and then announces the tasks by `wake_one`; one worker, or none, has a deadline; and each worker looks in an order of its own.
 *
 * -DTASKS=2: two tasks. -DWORKERS=2: two workers. -DCALLERS=2 or 3: concurrent callers (too large to finish with three workers).
 * -DANY_ORDER: the order may differ from look to look.
 * -DANY_WAY: each task but the last is announced by `wake_one`, `wake` or `wake_worker`, without deadlines.
 * -DONE_WAY: `wake_worker(1)`, `wake`, `wake_worker(1)`.
 * -DPINNED=1: the last task is for worker 1 alone, which looks for it first, and the others do not wait for it.
 * -DBATCH: a look at the first queue moves all other tasks of it to the second, and then announces them.
 * -DCLOSES: the set is closed at the end, perhaps without an announcement of the last task. No task waits for another one,
 * and all workers must end. With three workers, PINNED, BATCH and CLOSES are without deadlines.
 *
 * Negative controls: -DNO_SECOND_LOOK, -DKEEPS_THE_WAKE, -DONE_LINK, -DNO_OWED, -DFORGETS, -DFORGETS_OWED, -DFAILS_QUIETLY,
 * -DLEAVES_OTHERS_ALONE, -DOWES_ONE, -DOWES_NOTHING; -DBARE_UNPARK with PINNED, -DKEEPS_QUIET with BATCH, -DREADS_LATE and
 * -DWAKES_NOBODY with CLOSES.
 */

#ifndef WORKERS
#define WORKERS 3
#endif
#ifndef TASKS
#define TASKS 3
#endif
#ifndef CALLERS
#define CALLERS 1
#endif
#if defined(ANY_WAY) || defined(ONE_WAY) || (defined(PINNED) || defined(BATCH) || defined(CLOSES)) && WORKERS == 3
#define FIXED /* no deadline, and no announcement for nothing */
#endif
#ifdef PINNED
#define SHARED (TASKS - 1)
#else
#define SHARED TASKS
#endif
#ifdef BATCH
#define QUEUE 0
#else
#define QUEUE ((work + from) & 1)
#endif

/* The head: idle, searching, OWED, AGAIN; and the bits. */
byte idle, searches;
bool owed, look_again;
bool asleep[3];

/* The number of tasks in each queue, and of shared tasks that were taken; the tokens of the parkers. */
byte tasks[2], taken;
bool pinned, closed;
bool token[3];

#define no_task (tasks[0] + tasks[1] == 0 && !pinned)

#define some_asleep (asleep[0] || asleep[1] || asleep[2])
#define NONE 3

/* One search less. */
inline end_search() {
    searches--;
    if
    :: searches == 0 -> look_again = false
    :: else
    fi
}

/* `take_lowest` on one word. */
inline take_lowest() {
    atomic {
        if
        :: asleep[0] -> asleep[0] = false; chosen = 0
        :: !asleep[0] && asleep[1] -> asleep[1] = false; chosen = 1
        :: !asleep[0] && !asleep[1] && asleep[2] -> asleep[2] = false; chosen = 2
        :: !some_asleep -> chosen = NONE
        fi
    }
}

/* `send`, and then the unpark. */
inline send() {
    do
    :: take_lowest();
        if
        :: chosen < NONE ->
            token[chosen] = true;
            chosen = NONE;
#ifdef BATCH
            woken = true;
#endif
            break
        :: else
        fi;
        atomic {
            if
            :: searches == 1 && owed ->
                owed = false;
#ifdef FORGETS
                end_search(); again = false
#else
                again = true
#endif
            :: else -> end_search(); again = false
            fi
        };
        if
        :: !again -> break
        :: else -> again = false
        fi;
        if
        :: atomic { some_asleep -> skip };
#ifndef OWES_NOTHING
            owed = true
#endif
        :: atomic { !some_asleep -> skip }
        fi
    od
}

/* `request`, after `nobody_idle`. While searches go on, it takes either way: the count of workers that look may be out of date. */
inline request(any_search_is_enough) {
    atomic {
        if
        :: idle == 0 -> sends = false
        :: idle > 0 && searches > 0 ->
#ifndef NO_OWED
            owed = true;
#endif
            sends = false
        :: idle > 0 && (searches == 0 || !any_search_is_enough) -> searches++; sends = true
        fi
    };
    if
    :: sends -> sends = false; send()
    :: else
    fi
}

/* `claim`, after `nobody_idle`, and then the unpark. */
inline claim(target) {
    if
    :: atomic { !asleep[target] -> skip };
#ifdef BARE_UNPARK
        token[target] = true
#else
        request(true)
#endif
    :: atomic { asleep[target] -> skip };
        searches++;
        if
        :: atomic { !asleep[target] -> skip }; send()
        :: atomic { asleep[target] -> asleep[target] = false }; token[target] = true
        fi
    fi
}

/* `find`: it looks at the queues one after the other, in an order of the worker's own. */
inline take(queue) {
    atomic {
        if
        :: tasks[queue] > 0 -> tasks[queue]--; found = true
        :: tasks[queue] == 0
        fi
    }
}
/* Moves the rest of the first queue to the second, and announces it by `wake`. */
inline take_batch() {
    atomic {
        if
        :: tasks[0] > 0 -> rest = tasks[0] - 1; tasks[0] = 0; found = true
        :: tasks[0] == 0
        fi
    };
    if
    :: rest > 0 ->
        atomic { tasks[1] = tasks[1] + rest };
        if
#ifndef KEEPS_QUIET
        :: rest == 1 -> request(false); rest = 0
        :: rest > 1 ->
            do
            :: atomic { rest == 0 || idle == 0 -> rest = 0; break }
            :: atomic { rest > 0 && idle > 0 -> rest-- };
                searches++;
                woken = false;
                send();
                if
                :: !woken -> rest = 0
                :: else
                fi
            od
#else
        :: rest = 0
#endif
        fi
    :: else
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
    atomic {
        if
        :: me == PINNED && pinned -> pinned = false; found = true; mine = true
        :: else
        fi
    };
    if
    :: !found -> look_at(first)
    :: else
    fi;
#else
    look_at(first);
#endif
    if
    :: !found -> look_at(1 - first)
    :: else
    fi
}

proctype worker(byte me; bool deadline) {
    byte chosen = NONE, first = me & 1;
    bool found, again, sends, owes, expired, ends, searching, claimed;
#ifdef PINNED
    bool mine;
#endif
#ifdef BATCH
    byte rest;
    bool woken;
#endif

from_the_start:
    look();
    if
    :: found -> goto runs
    :: else
    fi;

signs:
    asleep[me] = true;
    atomic {
        if
        :: searching && searches == 1 && (owed || look_again) ->
#ifdef OWES_ONE
            owes = owed;
#else
            owes = true;
#endif
            owed = false;
            look_again = false;
#ifdef FORGETS_OWED
            searches--
#else
            again = true
#endif
        :: searching && searches == 1 && !(owed || look_again) -> searches = 0; look_again = false
        :: searching && searches > 1 ->
            searches--;
#ifndef FAILS_QUIETLY
            owed = true
#endif
        :: !searching -> idle++
        fi
    };
    if
    :: again ->
        again = false;
        atomic { claimed = !asleep[me]; asleep[me] = false };
        if
        :: claimed -> claimed = false; searches--
        :: else
        fi;
        goto searches_again
    :: else -> searching = false; owes = false
    fi;
looks_again:
#if defined(CLOSES) && !defined(READS_LATE)
    ends = closed;
#endif
#ifndef NO_SECOND_LOOK
    look();
    if
    :: found ->
        /* `end_early` */
        atomic { claimed = !asleep[me]; asleep[me] = false };
        if
        :: claimed ->
            claimed = false;
            /* `pass_on` */
#ifdef KEEPS_THE_WAKE /* It does as `leave`. */
            atomic {
                idle--;
                sends = owed;
                if
                :: sends
                :: else -> end_search(); look_again = searches > 0
                fi
            };
            if
            :: sends -> sends = false; send()
            :: else
            fi
#else
            idle--;
            send()
#endif
        :: else -> idle--
        fi;
        goto runs
    :: else
    fi;
#endif
#ifdef READS_LATE
    ends = closed;
#endif
    if
    :: expired || ends ->
        /* `retract` */
        atomic { claimed = !asleep[me]; asleep[me] = false };
        if
        :: claimed -> claimed = false
        :: else -> idle--; expired = false; goto after_nothing
        fi
    :: else -> skip;
end_asleep:
        if
        :: atomic { token[me] -> token[me] = false }
        :: atomic { !token[me] && deadline -> deadline = false; expired = true }
        fi;
        if
        :: atomic { asleep[me] -> skip }; goto looks_again
        :: atomic { !asleep[me] -> skip }
        fi
    fi;
    searching = true;
searches_again:
    look();
    if
    :: found || expired || ends ->
        searching = false;
        atomic {
            idle--;
            sends = owed || owes || !found;
            if
            :: sends ->
#ifdef ONE_LINK
                owed = false
#else
                owed = owed || owes
#endif
            :: else ->
                end_search();
#ifndef LEAVES_OTHERS_ALONE
                look_again = searches > 0
#endif
            fi;
            owes = false;
            expired = false
        };
        if
        :: sends -> sends = false; send()
        :: else
        fi;
        if
        :: found -> goto runs
        :: else -> goto after_nothing
        fi
    :: else -> goto signs
    fi;

runs:
    atomic {
        found = false;
        expired = false;
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
#ifndef CLOSES
end_in_a_task:
    taken == SHARED;
#endif
    goto from_the_start;

after_nothing:
#ifdef CLOSES
    if
    :: !ends -> goto from_the_start
    :: else
    fi
#else
    goto from_the_start
#endif
}

/* Pushes its last task into the queue `from`, the one before into the other, and so on. */
proctype caller(byte work; byte from) {
    byte chosen = NONE, target = NONE;
    bool again, sends, one = true;
#ifdef BATCH
    bool woken;
#endif
#ifndef FIXED
    if
    :: request(false) /* for nothing */
    :: skip
    fi;
#endif
    do
    :: work > 0 ->
#ifdef PINNED
        atomic {
            work--;
            if
            :: work == 0 -> target = PINNED; pinned = true
            :: else -> tasks[QUEUE]++
            fi
        };
#else
        atomic { work--; tasks[QUEUE]++ };
#endif
#ifdef ANY_WAY
        if
        :: work > 0
        :: work > 0 -> one = false
        :: work > 0 -> target = 0
        :: work > 0 -> target = 1
        :: work > 0 -> target = 2
        :: work == 0
        fi;
#endif
#ifdef ONE_WAY
        if
        :: work == 2 -> target = 1
        :: work == 1 -> one = false
        :: work == 0 -> target = 1
        fi;
#endif
        if
        :: target < NONE ->
            /* `wake_worker` */
            if
            :: atomic { idle == 0 -> skip }
            :: atomic { idle > 0 -> skip };
                claim(target)
            fi
        :: target == NONE && one -> request(false)
#ifdef CLOSES
        :: target == NONE && one && work == 0 -> skip
#endif
        :: target == NONE && !one ->
            /* `wake` */
            if
            :: atomic { idle == 0 -> skip }
            :: atomic { idle > 0 -> skip }; searches++; send()
            fi
        fi;
        target = NONE;
        one = true
    :: else -> break
    od;
#ifdef CLOSES
    closed = true;
#ifndef WAKES_NOBODY
    if
    :: atomic { idle == 0 -> skip }
    :: atomic { idle > 0 -> skip };
        target = 0;
        do
        :: target < NONE ->
            if
            :: atomic { !asleep[target] -> skip }
            :: atomic { asleep[target] -> skip }; claim(target)
            fi;
            target++
        :: else -> break
        od
    fi
#endif
#endif
}

active proctype the_words() {
end:
    atomic {
        ((owed || look_again) && searches == 0) || searches > 7 -> assert(false)
    }
}

/* In a final state, all tasks have run, and all workers sleep or have ended. */
active proctype at_rest() {
    timeout;
    assert(no_task && taken == SHARED);
#ifdef CLOSES
    assert(idle == 0 && searches == 0 && !asleep[0] && !asleep[1] && !asleep[2]);
#else
    assert(idle == WORKERS && searches == 0 && !owed && asleep[0] && asleep[1] && (asleep[2] || WORKERS == 2))
#endif
}

init {
    byte with_deadline = NONE;
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
        run worker(0, with_deadline == 0);
        run worker(1, with_deadline == 1);
        if
        :: WORKERS == 3 -> run worker(2, with_deadline == 2)
        :: else
        fi;
        with_deadline = NONE;
        if
        :: CALLERS == 1 -> run caller(TASKS, 1)
        :: CALLERS == 2 -> run caller(1, 0); run caller(TASKS - 1, 1)
        :: CALLERS == 3 -> run caller(1, 0); run caller(1, 1); run caller(TASKS - 2, 0)
        fi
    }
}
