//! Orders of steps of the role that the models do not reach, as they need a clock, or a changed `hand_over_after`.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

struct Counted(AtomicUsize);

impl Bed for Counted {
    fn unpark(&self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A thread of the group.
struct Thread {
    member: Member,
    counted: Arc<Counted>,
    bed: Arc<dyn Bed>,
    listed: bool,
}

impl Thread {
    fn new(number: usize, rank: usize) -> Self {
        let counted = Arc::new(Counted(AtomicUsize::new(0)));
        Self { member: Member { number: 4 * number, rank }, counted: counted.clone(), bed: counted, listed: false }
    }

    /// The limit of its sleep; `None` if it polls.
    fn sleeps(&mut self, role: &Role) -> Option<Option<Duration>> {
        match role.look(self.member, &self.bed, &mut self.listed, || {}) {
            Turn::Poll => None,
            Turn::Sleep(end) => Some(end.map(|end| end.saturating_duration_since(Instant::now()))),
        }
    }

    fn polls(&mut self, role: &Role) -> bool {
        self.sleeps(role).is_none()
    }

    fn leaves(&mut self, role: &Role) -> bool {
        self.listed = false;
        role.leave(&self.bed).wake()
    }

    fn wakes(&self) -> usize {
        self.counted.0.load(SeqCst)
    }
}

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn a_standby_that_is_armed_again_forgets_its_former_time() {
    let role = Role::new(HOUR);
    let [mut polling, mut first, mut last] = [1, 2, 3].map(|number| Thread::new(number, number));
    assert!(polling.polls(&role));
    assert_eq!(first.sleeps(&role), Some(None));
    assert!(role.give_up(true).wake() && polling.polls(&role));
    assert_eq!(first.sleeps(&role), Some(None)); // too late to take the role at once
    assert!(role.give_up(true).wake() && polling.polls(&role));
    assert!(first.sleeps(&role).unwrap() > Some(HOUR / 2));
    assert!(last.sleeps(&role).unwrap() > Some(HOUR / 2)); // in the place of the first
    assert!(role.set_hand_over_after(Duration::from_millis(1)).wake());
    assert_eq!(last.sleeps(&role), Some(None));
    assert!(!last.leaves(&role));
    let wakes = first.wakes();
    assert!(role.give_up(true).wake() && polling.polls(&role));
    assert_eq!(first.wakes(), wakes + 1);
    assert!(first.sleeps(&role).unwrap().unwrap() < HOUR / 2);
}

#[test]
fn a_worker_that_a_bare_thread_gives_way_to_polls_at_once() {
    let role = Role::new(HOUR);
    let (mut worker, mut bare) = (Thread::new(1, 1), Thread::new(2, 0));
    assert!(worker.polls(&role));
    for _ in 0..2 {
        assert!(!bare.polls(&role));
        assert!(role.give_up(true).wake());
        assert!(worker.polls(&role));
    }
    assert!(!bare.polls(&role) && !bare.leaves(&role));
    assert!(!role.give_up(true).wake());
    assert!(bare.polls(&role));
    assert!(worker.sleeps(&role).is_some());
    role.awake(bare.member);
    assert!(!role.again(bare.member));
    assert!(role.give_up(true).wake() && worker.polls(&role));
}

#[test]
fn a_holder_that_has_not_polled_does_not_put_off_the_standby() {
    let role = Role::new(HOUR);
    let [mut polling, mut standby] = [1, 2].map(|number| Thread::new(number, number));
    assert!(polling.polls(&role) && !standby.polls(&role));
    assert!(role.give_up(true).wake());
    let due = lock(&role.group).due;
    for _ in 0..2 {
        assert!(polling.polls(&role) && !standby.polls(&role));
        let _ = role.give_up(false);
        assert!(standby.sleeps(&role).unwrap() > Some(HOUR / 2));
        assert_eq!(lock(&role.group).due, due);
    }
    // After a change, it counts by the new time.
    assert!(polling.polls(&role));
    assert!(role.set_hand_over_after(Duration::from_secs(1)).wake() && !standby.polls(&role));
    assert!(role.give_up(false).wake());
    assert!(standby.sleeps(&role).unwrap().unwrap() < HOUR / 2);
    // A time that has passed meanwhile counts at once.
    assert!(polling.polls(&role));
    lock(&role.group).due = Some(Instant::now());
    assert!(!standby.polls(&role));
    assert!(role.give_up(false).wake() && standby.polls(&role));
}

#[test]
fn a_standby_that_looked_beside_a_holder_that_has_not_polled_counts_anew() {
    let role = Role::new(HOUR);
    let [mut polling, mut standby, mut last] = [1, 2, 3].map(|number| Thread::new(number, number));
    assert!(polling.polls(&role) && !standby.polls(&role));
    assert!(role.give_up(true).wake() && polling.polls(&role));
    let _ = role.give_up(true);
    let minute = Duration::from_secs(60);
    lock(&role.group).due = Some(Instant::now() + minute);
    assert!(polling.polls(&role) && !standby.leaves(&role));
    assert!(last.sleeps(&role).unwrap() > Some(minute)); // the standby by itself, from now on
    assert!(role.give_up(false).wake());
    assert!(last.sleeps(&role).unwrap().unwrap() <= minute);
}
