//! Parts, barriers, panics and calls that come while another is there.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

/// Which parts were done.
fn parts(team: &Team) -> Vec<(usize, usize)> {
    let done = Mutex::new(Vec::new());
    team.run(&|it| done.lock().unwrap().push((it.part, it.parts)));
    let mut done = done.into_inner().unwrap();
    done.sort_unstable();
    done
}

#[test]
fn every_part_is_done_once() {
    for threads in [1, 2, 3, 5] {
        let team = Team::new(threads);
        assert_eq!(team.parts(), threads);
        for _ in 0..50 {
            let all: Vec<_> = (0..threads).map(|it| (it, threads)).collect();
            assert_eq!(parts(&team), all);
        }
    }
    assert_eq!(Team::new(0).parts(), 1);
    assert_eq!(Team::threads(3), 3);
    assert!(Team::threads(0) >= 1);
}

/// Helpers that sleep are woken.
#[test]
fn helpers_sleep_and_wake() {
    let team = Team::new(3);
    for _ in 0..3 {
        thread::sleep(AWAKE * 20);
        assert_eq!(parts(&team).len(), 3);
    }
}

#[test]
fn what_was_written_before_a_barrier_is_seen_after_it() {
    let team = Team::new(4);
    let numbers: Vec<AtomicUsize> = (0..4).map(|_| AtomicUsize::new(0)).collect();
    let wrong = AtomicUsize::new(0);
    team.run(&|it| {
        for round in 1..500 {
            numbers[it.part].store(round, Ordering::Relaxed);
            it.wait();
            let all = numbers.iter().all(|it| it.load(Ordering::Relaxed) == round);
            wrong.fetch_add(usize::from(!all), Ordering::Relaxed);
            it.wait();
        }
    });
    assert_eq!(wrong.into_inner(), 0);
    // One part alone waits for nobody.
    Part::whole().wait();
}

/// Who waits at a barrier, or for the end, for longer than it looks sleeps and is woken.
#[test]
fn who_waits_long_sleeps_until_the_last_one_comes() {
    let team = Team::new(3);
    for late in 0..3 {
        let slept = AtomicUsize::new(0);
        team.run(&|it| {
            let wait = || {
                // Only the late one is awake.
                while it.part == late && team.shared.bell.sleepers.load(Ordering::SeqCst) < 2 {
                    thread::yield_now();
                }
            };
            wait();
            slept.fetch_add(usize::from(it.part == late), Ordering::Relaxed);
            it.wait();
            if late > 0 {
                while it.part == late && team.shared.bell.sleepers.load(Ordering::SeqCst) < 1 {
                    thread::yield_now();
                }
            }
        });
        assert_eq!(slept.into_inner(), 1);
        assert_eq!(team.shared.bell.sleepers.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn a_panic_in_a_part_is_told_and_the_team_lives_on() {
    let team = Team::new(3);
    for bad in 0..3 {
        for waits in [false, true] {
            let run = || {
                team.run(&|it| {
                    assert!(it.part != bad, "this part panics: it is meant to");
                    if waits {
                        it.wait();
                    }
                });
            };
            assert!(catch_unwind(AssertUnwindSafe(run)).is_err(), "part {bad}");
            // The next piece of work has all parts, and a barrier that holds.
            what_all_do(&team);
        }
    }
}

fn what_all_do(team: &Team) {
    let arrived = AtomicUsize::new(0);
    let wrong = AtomicUsize::new(0);
    team.run(&|it| {
        arrived.fetch_add(1, Ordering::Relaxed);
        it.wait();
        let all = arrived.load(Ordering::Relaxed) == it.parts;
        wrong.fetch_add(usize::from(!all), Ordering::Relaxed);
    });
    assert_eq!((arrived.into_inner(), wrong.into_inner()), (team.parts(), 0));
}

#[test]
fn work_within_work_is_done_by_one_thread() {
    let team = Team::new(3);
    let inner = Mutex::new(Vec::new());
    team.run(&|it| {
        team.run(&|own| {
            own.wait();
            inner.lock().unwrap().push((it.part, own.part, own.parts));
        });
    });
    let mut inner = inner.into_inner().unwrap();
    inner.sort_unstable();
    assert_eq!(inner, [(0, 0, 1), (1, 0, 1), (2, 0, 1)]);
    what_all_do(&team);
}

#[test]
fn calls_beside_each_other_are_all_done() {
    let team = Team::new(2);
    let count = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    // Each call does its work once, in one part or in several.
                    team.run(&|it| {
                        it.wait();
                        count.fetch_add(if it.part == 0 { 1 } else { 0 }, Ordering::Relaxed);
                    });
                }
            });
        }
    });
    assert_eq!(count.into_inner(), 800);
}
