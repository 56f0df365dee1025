# The mutants of the idle set: `mutant NAME FILE SED`, read by tests/weaken.sh.
# shellcheck shell=bash
#
# What takes several looks of a `find`, or more than two preemptions, has its controls in tests/promela.sh and in
# tests/idle/overtaken.rs.

mutant "a claimed worker that finds other work passes nothing on" idle/worker.rs \
    's/self.worker.word().pass_on(owes)/self.worker.word().leave(owes)/'
mutant "the chain ends after one link" idle/word.rs 's/true => (head - IDLE) | owed,/true => (head - IDLE) \& !OWED,/'
mutant "a searcher passes nothing on" idle/word.rs 's/|head| always || (head | owed) & OWED != 0/|_: usize| always/'
mutant "the last searcher does not look again for what was announced" idle/word.rs \
    's/let goes_on = .*/let goes_on = |_| false;/; s/true if is_last(head) => without_search(head),/true if is_last(head) => without_search(head) \& !OWED,/'
mutant "a worker that has looked again owes nothing" idle/worker.rs \
    's/Standing::Searching { owes: true } };/Standing::Searching { owes: false } };/'
mutant "a worker that is claimed while it looks again keeps two searches" idle/word.rs \
    '/pub(super) fn sign/,/^    }/s/self.head().fetch_sub(SEARCH, Ordering::Relaxed);//'
mutant "an announcement during a search leaves no mark" idle/word.rs \
    's/let wanted = if searched { head | OWED }/let wanted = if searched { head }/'
mutant "the worker is claimed before its search is counted" idle/word.rs \
    '/pub(super) fn claim(/,/^    }/{s/self.head().fetch_add(SEARCH, Ordering::Relaxed);//;s/{$/&/;s/return (true, None);/self.head().fetch_add(SEARCH, Ordering::Relaxed); return (true, None);/}'
mutant "a worker that has looked counts as looking" idle/word.rs '/fn end_search/,/^    }/s/self.ends_look();//'
mutant "a worker that falls asleep counts as looking" idle/word.rs '/pub(super) fn sign/,/^    }/s/self.ends_look();//'
mutant "a worker sleeps without a last look" idle/worker.rs \
    '/ end = loop/,/end_early/s/self.call(&mut find)/None/'
mutant "the bit is set after the fence" idle/word.rs \
    '/pub(super) fn sign/,/^    }/{s/^        bits.fetch_or.*$//;s/^        if !goes_on(before) {/        bits.fetch_or(bit, Ordering::Relaxed); if !goes_on(before) {/}'
mutant "a worker that panics stays in the set" idle/worker.rs \
    '/fn drop(&mut self)/,/^    }/s/|| self.end_early()/|| ()/'
mutant "a worker that times out keeps its search" idle/worker.rs \
    '/if let Some(end) = end.or/,/return end/s/stay.end_early();/stay.standing = Standing::Busy;/'
mutant "wake_worker announces nothing if the worker is busy" idle/word.rs \
    's/return (false, self.request_unless(|_| true));/return (false, None);/'
mutant "wake_one says that it woke a worker, but relies on another" idle/mod.rs \
    '/fn search(&self)/,/^    }/s/self.unpark(self.shared.word.request())/{ self.unpark(self.shared.word.request()); true }/'
mutant "close wakes no worker" idle/mod.rs '/pub fn close/,/^    }/s/if !self.shared.word.nobody_idle()/if false/'
mutant "a waiter within a task ends at close" idle/worker.rs \
    's/self.run(Ends::WithWork, || None, &mut find)/self.run(Ends::AtClose, || None, \&mut find)/'
mutant "the deadline closure is called once" idle/worker.rs \
    's/let mut expired = false;/let mut expired = false; let once = deadline();/; s/self.park(self.call(&mut deadline))/self.park(once)/'
