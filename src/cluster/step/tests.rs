use super::*;

fn why() -> String {
    "why".into()
}

fn is_away(step: &Step) -> bool {
    matches!(&step.state, Some(State::Away { .. }))
}

/// Every outcome, once.
fn outcomes() -> Vec<Outcome> {
    vec![
        Outcome::Synced,
        Outcome::Asked,
        Outcome::Ended,
        Outcome::WatchListRefused(why()),
        Outcome::Expired,
        Outcome::Ahead(why()),
        Outcome::Restored,
        Outcome::Forbidden,
        Outcome::Absent,
        Outcome::Unauthenticated,
        Outcome::Throttled(None),
        Outcome::Garbage(why()),
        Outcome::Rejected(why()),
        Outcome::Lost(why()),
    ]
}

/// What the first of each outcome leads to, with a position and without one.
#[test]
fn the_first_of_each() {
    type Next = (Act, Wait);
    use Act::{List, Sync, Watch};
    let lost = || away(why());
    let table: Vec<(Outcome, Next, Next, Option<State>)> = vec![
        (Outcome::Synced, (Watch, Wait::Nothing), (Watch, Wait::Nothing), None),
        (Outcome::Asked, (Sync, Wait::Nothing), (Sync, Wait::Nothing), None),
        (Outcome::WatchListRefused(why()), (List, Wait::Nothing), (List, Wait::Nothing), None),
        (Outcome::Expired, (Sync, Wait::Spread), (Sync, Wait::Spread), None),
        (Outcome::Restored, (Sync, Wait::Spread), (Sync, Wait::Spread), None),
        (Outcome::Ahead(why()), (Watch, Wait::Failures(1)), (Sync, Wait::Failures(1)), lost()),
        (Outcome::Forbidden, (Watch, Wait::Slow), (Sync, Wait::Slow), Some(State::Forbidden)),
        (Outcome::Absent, (Watch, Wait::Slow), (Sync, Wait::Slow), Some(State::Absent)),
        (
            Outcome::Unauthenticated,
            (Watch, Wait::Refused),
            (Sync, Wait::Refused),
            Some(State::Unauthenticated),
        ),
        (Outcome::Garbage(why()), (Watch, Wait::Failures(1)), (List, Wait::Failures(1)), lost()),
        (Outcome::Rejected(why()), (Watch, Wait::Failures(1)), (List, Wait::Failures(1)), lost()),
        (Outcome::Lost(why()), (Watch, Wait::Cluster), (Sync, Wait::Cluster), lost()),
    ];
    for (outcome, placed, unplaced, state) in table {
        for (has_position, (act, wait)) in [(true, placed), (false, unplaced)] {
            let step = Course::new(has_position).decide(outcome.clone(), Instant::now());
            let expected = Step { act, wait, state: state.clone() };
            assert_eq!(step, expected, "{outcome:?}, with a position: {has_position}");
        }
    }
}

#[test]
fn a_normal_end_goes_on_without_a_list_and_without_a_word() {
    let mut course = Course::new(true);
    for _ in 0..100 {
        let step = course.decide(Outcome::Ended, Instant::now());
        assert_eq!(step, Step { act: Act::Watch, wait: Wait::Spread, state: None });
        course.settled();
    }
}

#[test]
fn a_watch_that_ends_at_once_again_and_again_is_a_failure() {
    let mut course = Course::new(true);
    let steps: Vec<Step> = (0..5).map(|_| course.decide(Outcome::Ended, Instant::now())).collect();
    assert!(steps.iter().all(|step| step.act == Act::Watch));
    assert_eq!(steps.iter().map(is_away).collect::<Vec<_>>(), [false, false, true, true, true]);
    assert_eq!(steps[4].wait, Wait::Failures(5));
}

#[test]
fn initial_events_that_are_cut_off_lead_to_a_list() {
    let step = Course::new(false).decide(Outcome::Ended, Instant::now());
    assert_eq!((step.act, step.wait, is_away(&step)), (Act::List, Wait::Failures(1), true));
}

#[test]
fn garbage_at_one_position_is_tried_three_times_and_then_relisted() {
    for garbage in [Outcome::Garbage(why()), Outcome::Rejected(why())] {
        let mut course = Course::new(true);
        let acts: Vec<Act> = (0..3).map(|_| course.decide(garbage.clone(), Instant::now()).act).collect();
        assert_eq!(acts, [Act::Watch, Act::Watch, Act::Sync]);

        let mut course = Course::new(true);
        for _ in 0..9 {
            assert_eq!(course.decide(garbage.clone(), Instant::now()).act, Act::Watch);
            course.moved();
        }
    }
}

#[test]
fn a_watch_that_stays_open_before_its_garbage_is_relisted_all_the_same() {
    let mut course = Course::new(true);
    let mut tried = || {
        course.settled();
        course.decide(Outcome::Garbage(why()), Instant::now()).act
    };
    assert_eq!([tried(), tried(), tried()], [Act::Watch, Act::Watch, Act::Sync]);
}

#[test]
fn a_lost_cluster_never_costs_the_position() {
    let mut course = Course::new(true);
    for _ in 0..1000 {
        let step = course.decide(Outcome::Lost(why()), Instant::now());
        assert_eq!((step.act, step.wait), (Act::Watch, Wait::Cluster));
        assert!(is_away(&step));
    }
}

#[test]
fn initial_events_that_break_three_times_give_way_to_a_list() {
    let mut course = Course::new(false);
    let acts: Vec<Act> = (0..4).map(|_| course.decide(Outcome::Lost(why()), Instant::now()).act).collect();
    assert_eq!(acts, [Act::Sync, Act::Sync, Act::List, Act::List]);
}

#[test]
fn relists_in_a_row_wait_longer_and_longer_until_something_moves() {
    let mut course = Course::new(true);
    let mut waits = Vec::new();
    for _ in 0..3 {
        waits.push(course.decide(Outcome::Expired, Instant::now()).wait);
        course.decide(Outcome::Synced, Instant::now());
    }
    assert_eq!(waits, [Wait::Spread, Wait::Failures(2), Wait::Failures(3)]);
    course.moved();
    assert_eq!(course.decide(Outcome::Expired, Instant::now()).wait, Wait::Spread);
}

#[test]
fn an_expired_continue_starts_a_fresh_list_with_a_growing_wait() {
    let mut course = Course::new(false);
    let steps: Vec<(Act, Wait)> = (0..3)
        .map(|_| course.decide(Outcome::Expired, Instant::now()))
        .map(|step| (step.act, step.wait))
        .collect();
    assert_eq!(
        steps,
        [(Act::Sync, Wait::Spread), (Act::Sync, Wait::Failures(2)), (Act::Sync, Wait::Failures(3))]
    );
}

#[test]
fn a_position_from_the_future_is_given_up_after_a_while() {
    let mut course = Course::new(true);
    let start = Instant::now();
    let seconds = |n| start + Duration::from_secs(n);
    for n in [0, 1, 30, 89] {
        assert_eq!(course.decide(Outcome::Ahead(why()), seconds(n)).act, Act::Watch, "after {n} s");
    }
    assert_eq!(course.decide(Outcome::Ahead(why()), seconds(90)).act, Act::Sync);

    let mut course = Course::new(true);
    course.decide(Outcome::Ahead(why()), seconds(0));
    course.moved();
    assert_eq!(course.decide(Outcome::Ahead(why()), seconds(100)).act, Act::Watch, "counted anew");
}

#[test]
fn a_wait_that_is_asked_for_is_kept_within_bounds() {
    let asked = |wait| Course::new(true).decide(Outcome::Throttled(wait), Instant::now()).wait;
    assert_eq!(asked(None), Wait::Asked(Duration::from_secs(1)));
    assert_eq!(asked(Some(Duration::from_secs(7))), Wait::Asked(Duration::from_secs(7)));
    assert_eq!(asked(Some(Duration::from_hours(24))), Wait::Asked(Duration::from_mins(1)));
}

/// Whatever comes, in whatever order: nothing is retried at once twice running unless it was a success or a refusal that
/// leads elsewhere, and a watch is only opened where there is a position.
#[test]
fn no_sequence_is_a_tight_loop() {
    let all = outcomes();
    for first in &all {
        for second in &all {
            for third in &all {
                for placed in [true, false] {
                    let mut course = Course::new(placed);
                    let mut waits = Vec::new();
                    for outcome in [first, second, third] {
                        let step = course.decide(outcome.clone(), Instant::now());
                        assert!(course.placed || step.act != Act::Watch, "{first:?} {second:?} {third:?}");
                        waits.push(step.wait);
                    }
                    if first == second && second == third && waits[2] == Wait::Nothing {
                        assert!(matches!(first, Outcome::Synced | Outcome::WatchListRefused(_)), "{first:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_list_that_feeds_ask_for_keeps_the_position_and_is_not_asked_for_in_a_hurry() {
    let mut course = Course::new(true);
    let asked = |course: &mut Course| {
        let step = course.decide(Outcome::Asked, Instant::now());
        let then = course.decide(Outcome::Lost(why()), Instant::now());
        assert_eq!(then.act, Act::Watch, "the rows that there are go on");
        course.moved();
        (step.act, step.wait)
    };
    assert_eq!(asked(&mut course), (Act::Sync, Wait::Nothing));
    assert_eq!(asked(&mut course), (Act::Sync, Wait::Failures(2)));
    assert_eq!(asked(&mut course), (Act::List, Wait::Failures(3)));
    course.synced();
    assert_eq!(asked(&mut course), (Act::Sync, Wait::Nothing));
}
