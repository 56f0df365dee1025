# The mutants of the parker and of its slow paths: `mutant NAME FILE SED`, read by tests/weaken.sh.
# shellcheck shell=bash

mutant "an unpark that finds the token does not write" state.rs \
    '/decode(self.0.swap(NOTIFIED/i if self.peek() == ParkState::Notified { return ParkState::Notified; }'
by_store='.map(|_| self.0.store(EMPTY, Ordering::Relaxed)).ok_or(())'
mutant "take by load and store" state.rs \
    "s/\.compare_exchange(NOTIFIED, EMPTY, .*)$/.load(Ordering::Acquire).checked_sub(NOTIFIED)$by_store/"
mutant "sleeps although the token has come" state.rs \
    's/if parked != Err(NOTIFIED) {/if parked != Err(NOTIFIED) || true {/'
mutant "leave never puts PARKED back" state.rs \
    's/if others { PARKED } else { EMPTY }/if others { EMPTY } else { EMPTY }/'
mutant "leave always leaves PARKED" state.rs \
    's/if others { PARKED } else { EMPTY }/if others { PARKED } else { PARKED }/'
mutant "abandon does nothing" state.rs 's/let _ = self.0.compare_exchange(PARKED, EMPTY, .*//'

mutant "no wake" atomic_parker.rs 's/if replaced == ParkState::Parked {/if false {/'
mutant "a panic passes no wake on" atomic_parker.rs '/Drop for PassOn/,/^}/s/self.parker.wake_sleeper();//'
mutant "a leave that does not know the others wakes none" atomic_parker.rs \
    '/The slow path does not know who else sleeps/ { n; s/self.wake_sleeper();// }'
mutant "a sleeper that takes a late token wakes no other" atomic_parker.rs 's/if owes_a_wake {/if false {/'
mutant "a panic after leave loses the token" atomic_parker.rs 's/self.parker.state.notify();//'
mutant "a panic while passing a wake on loses the token" atomic_parker.rs \
    's/PassOn { parker: self, sleeper: None, sleepers }/()/'
mutant "a timeout leaves PARKED" atomic_parker.rs 's/left() == Left::Not \&\& (expired || /left() == Left::Not \&\& (/'
mutant "each sleeper counts as the only one" atomic_parker.rs 's/deadline, sleepers == Sleepers::One)/deadline, true)/'

mutant "sleeps without a check of the state" wait/condvar.rs \
    's/while sleeper.still_parked() {/for turn in 0.. { if turn > 0 \&\& !sleeper.still_parked() { break; }/'
mutant "wakes without the lock" wait/condvar.rs 's/drop(lock(&self.asleep));//'
mutant "leaves outside the lock" wait/condvar.rs \
    's/sleeper.leave(\*asleep > 0);/let others = *asleep > 0; drop(asleep); sleeper.leave(others);/'
mutant "leave never reports others" wait/condvar.rs 's/sleeper.leave(\*asleep > 0)/sleeper.leave(false)/'
mutant "leave always reports others" wait/condvar.rs 's/sleeper.leave(\*asleep > 0)/sleeper.leave(true)/'

mutant "the waker only loads the number of sleepers" wait/event_count.rs \
    's/match self.sleepers.fetch_add(0, Ordering::Release) {/match self.sleepers.load(Ordering::Acquire) {/'
mutant "a wake is no event" wait/event_count.rs 's/self.events.fetch_add(1, /self.events.fetch_add(0, /'
mutant "sleepers do not count" wait/event_count.rs 's/self.sleepers.fetch_add(1, /self.sleepers.fetch_add(0, /'
mutant "sleeps without a check of the state" wait/futex.rs 's/if sleeper.still_parked() {/if true {/'
mutant "wake does nothing" wait/futex.rs 's/match self.count.signal() {/match Asleep::None {/'

mutant "sleeps without a check of the state" wait/parking_lot.rs 's/|| sleeper.still_parked()/|| true/'
mutant "a timeout never reports others" wait/parking_lot.rs 's/sleeper.leave(!was_last)/sleeper.leave(false)/'
mutant "a timeout always reports others" wait/parking_lot.rs 's/sleeper.leave(!was_last)/sleeper.leave(true)/'
mutant "a woken thread never reports others" wait/parking_lot.rs 's/leave(queue.have_more_threads)/leave(false)/'
# A woken thread that does not call `leave` is no mutant: the contract allows it, and the parker sends the wake on.
mutant "a woken thread always reports others" wait/parking_lot.rs 's/leave(queue.have_more_threads)/leave(true)/'

# Several parkers that share a slow path.
mutant "wakes one sleeper of any parker" wait/condvar.rs 's/self.others_look_again.notify_all();/self.others_look_again.notify_one();/'
mutant "a sleeper of another parker sleeps with those of this one" wait/condvar.rs 's/let look_again = if is_own {/let look_again = if true {/'
mutant "wakes one sleeper of any parker" wait/futex.rs 's/Asleep::OfSeveralParkers => i32::MAX as u32/Asleep::OfSeveralParkers => 1/'
mutant "contains what lies elsewhere" wait/mod.rs 's/wrapping_sub(start) < size/wrapping_sub(start) < usize::MAX/'
mutant "does not note that it is shared" wait/event_count.rs 's/self.sleepers.fetch_or(SHARED, Ordering::Relaxed);//'
mutant "a call within a poll takes the parker of the outer one" block_on.rs \
    's/Box<\(Pair\|Self\)>/std::rc::Rc<\1>/g
     s/Box::new(Self/std::rc::Rc::new(Self/
     s/|top| top.take())/|top| { let it = top.take(); top.set(it.clone()); it })/
     s/|| Pair::new(true)/|| { let it = Pair::new(true); TOP.with(|top| top.set(Some(it.clone()))); it }/'
