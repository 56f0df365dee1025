# The mutants of the idle set: `mutant NAME FILE SED`, read by tests/weaken.sh.
# shellcheck shell=bash
#
# What takes several looks of a `find`, or more than two preemptions, has its controls in tests/promela.sh and in
# tests/ablation.sh.

mutant "a claimed worker that finds other work passes nothing on" idle/worker.rs \
    's/self.idle.act(self.roster().stop(debt));/self.idle.act(self.roster().leave(debt));/'
mutant "a searcher passes nothing on" idle/roster.rs 's/if before.debt().plus(debt).is_owed() {/if false {/'
mutant "an announcement during a search leaves no mark" idle/head.rs \
    's/self.plus_debt(Debt::One)$/self/'
mutant "a worker sleeps without a last look" idle/worker.rs \
    '/end = loop/,/self.stop/s/self.look(&mut find, &is_own)/None/'
mutant "a worker that panics stays in the set" idle/worker.rs \
    '/^impl<W: Wait> Drop for Stay/,/^}/s/|| self.0.stop()/|| ()/'
mutant "a worker in steps that was woken does not search" idle/steps.rs 's/self.worker.was_claimed() || woken/woken/'
mutant "a dropped worker in steps stays in the set" idle/steps.rs 's/drop(Stay(&self.worker));//'
mutant "close wakes no worker" idle/mod.rs 's/if self.shared.roster.is_asleep(index) {/if false {/'
mutant "a waiter within a task ends at close" idle/worker.rs \
    's/self.run(Ends::WithWork,/self.run(Ends::AtClose,/'
mutant "two pieces of debt count as one" idle/head.rs 's/(Debt::One, Debt::One) => Debt::Many/(Debt::One, Debt::One) => Debt::One/'
mutant "one piece of debt is as many as there can be" idle/head.rs 's/const MANY: usize = Debt::Many/const MANY: usize = Debt::One/'
mutant "many pieces that are owed are enough for the worker that owes them" idle/head.rs \
    's/ == MANY \&\& self.searches() > own/ == MANY/'
mutant "a vacant place is not chosen" idle/roster.rs 's/let halves: \(.*\) = if self.grows/let halves: \1 = if false/'
mutant "a worker gives up its place without a last look" idle/worker.rs \
    '/end = loop/,/self.stop/s/= self.look(&mut find, &is_own) {/= (ends != Ends::GivesUp).then(|| self.look(\&mut find, \&is_own)).flatten() {/'
mutant "a worker with two searches owes nothing for the one that it ends" idle/roster.rs 's/Some(held.plus(Debt::One))/Some(held)/'
mutant "a worker with two searches ends none" idle/roster.rs '/fn sign/,/^    }/s/self.change(Head::without_search);//'
mutant "a claim does not give back the debt that was taken" idle/roster.rs 's/self.change(|head| head.plus_debt(debt));/let _ = debt;/'
mutant "a place is given up although it was claimed" idle/worker.rs \
    's/let gave_up = self.roster().give_up(self.index);/let gave_up = self.roster().give_up(self.index) || true;/'
mutant "a place that was given up is not vacant" idle/roster.rs \
    's/let vacant = seen \& !asleep | (asleep << HALF);/let vacant = seen \& !asleep;/'
mutant "a failed start does not give the place back" idle/roster.rs \
    '/fn fail_start/,/^    }/s/bits.fetch_or(asleep << HALF, Ordering::Relaxed);/let _ = (bits, asleep);/'
mutant "a failed start leaves no debt" idle/roster.rs 's/let left = if let To::Sleepers = to {/let left = if false {/'
mutant "a worker that is dropped is not replaced" idle/worker.rs 's/(growth.announce)(&self.idle);/let _ = growth.announce;/'
mutant "what is announced during a search for other workers is for them only" idle/roster.rs 's/if let To::Others(_) = to {/if false {/'
mutant "a wake of a future forgets the one before" idle/future.rs 's/woken.swap(true, Ordering::Release)/woken.store(true, Ordering::Release)/'
mutant "a poll forgets a wake that it has not seen" idle/future.rs 's/woken.swap(false, Ordering::Acquire)/woken.store(false, Ordering::Relaxed)/'
