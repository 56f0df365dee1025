# The mutants of the driver: `mutant NAME FILE SED`, read by tests/weaken.sh.
# shellcheck shell=bash

mutant "a thread that leaves the event loop makes none the standby" driver/role.rs \
    's/return group.arm(is_rare || is_wanted);/return Armed(None);/'
mutant "a standby that leaves makes no other the standby" driver/role.rs \
    's/Some(standby) if self.word() == VACANT => group.arm(standby.at_once),/Some(_) if false => Armed(None),/'
mutant "a standby that leaves is still the standby" driver/role.rs \
    's/group.standby.take_if(|standby| standby.bed == address(bed))/None::<Standby>/'
mutant "a thread that leaves its bed stays in the list" driver/role.rs '/pub(super) fn leave/,/^    }/s/group.remove(bed);//'
mutant "a thread that polls stays in the list" driver/role.rs '/pub(super) fn look/,/^    }/s/group.remove(bed);//'
mutant "the standby is not woken" driver/role.rs 's/self.0.map(|bed| bed.unpark()).is_some()/self.0.is_some()/'
mutant "the standby sleeps without a limit" driver/role.rs '/fn count_down/,/^    }/s/return self.due;/return None;/'
mutant "a standby that was not woken sleeps without a limit" driver/role.rs 's/end = group.count_down(false);//'
mutant "the standby does not take the role when its time is over" driver/role.rs \
    's/let is_early = is_standby .*/let is_early = is_standby \&\& !at_once;/'
mutant "the standby that takes the role at once counts down" driver/role.rs \
    's/let is_early = is_standby .*/let is_early = is_standby \&\& !has_passed(group.due);/'
mutant "a standby that polls is still the standby" driver/role.rs \
    '/pub(super) fn look/,/^    }/{/if is_standby {$/{n;s/group.standby = None;//}}'
mutant "a standby that finds the role held stops to count and is still the standby" driver/role.rs \
    '/fn count_down/,/^    }/s/self.standby = None;//'
mutant "two threads poll" driver/role.rs 's/if word == VACANT \&\& !is_early/if !is_early/'
mutant "a busy thread polls beside another" driver/role.rs \
    '/pub(super) fn take_now/,/^    }/{s/if self.is_held()/if false/;s/let vacant = .*/let vacant = true;/}'
mutant "the thread that takes the role is not seen to wait" driver/role.rs \
    's/self.take(\&mut group, member.number | WAITING, member.rank);/self.take(\&mut group, member.number, member.rank);/'
mutant "a sleeper is not in the list" driver/role.rs 's/group.asleep.push(.*//'
mutant "nobody polls again" driver/role.rs '/pub(super) fn again/,/^    }/s/self.set(member.number | WAITING);//'
mutant "the role is not given up" driver/role.rs '/pub(super) fn give_up/,/^    }/s/self.set(VACANT);//'
mutant "a thread that went to sleep beside a busy one is not asked to poll" driver/role.rs 's/let is_wanted = missed ||/let is_wanted =/'
mutant "a panic keeps the role" driver/mod.rs 's/let result = catch_unwind(AssertUnwindSafe(|| poll(\&mut event_loop)));/let result = Ok::<bool, Box<dyn std::any::Any + Send>>(poll(\&mut event_loop));/'
mutant "a wake does not end the wait in the event loop" driver/mod.rs 's/if role.polls(Some(number)) {/if false {/'
mutant "a wake does not reach the bed" driver/mod.rs 's/self.own.unpark();//'
mutant "a wake does not reach the beds of a shared slow path" driver/mod.rs \
    's/role.beds(number).into_iter().for_each(|bed| bed.unpark());//'
mutant "a thread in the list does not look at the token again" driver/mod.rs \
    '/Turn::Sleep(end) =>/,/^ *}$/s/if sleeper.still_parked() {/if true {/'
mutant "a shared slow path wakes one of its threads" driver/mod.rs 's/if !sleeper.key().contains(self) {/if false {/;s/if !key.contains(self) {/if false {/'
mutant "interrupt does nothing" driver/mod.rs '/pub fn interrupt/,/^    }/s/if polls {/if false {/'
mutant "polls although the token has come" driver/mod.rs \
    's/if !sleeper.still_parked() {/if false {/'
mutant "the event loop does not know the deadline" driver/mod.rs 's/event_loop.wait(sleeper.deadline());/event_loop.wait(None);/'
mutant "a token that comes while it delivers is not seen" wait/mod.rs 's/if parked { Left::Not } else { Left::WithToken }/Left::Not/'
