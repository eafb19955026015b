//! One flow, step by step: what it asks for after each outcome.

use super::*;

const COPY_MAX: usize = 64 * 1024;

/// Does one action, which must be the expected one, and returns what comes next.
fn step(flow: &mut Flow, expected: Action, outcome: Outcome) -> Option<Action> {
    assert_eq!(flow.next(COPY_MAX), Some(expected));
    flow.handle(expected, outcome).expect("the flow goes on");
    flow.next(COPY_MAX)
}

fn bulk_flow() -> Flow {
    let mut flow = Flow::new(DataPath::Auto);
    step(
        &mut flow,
        Action::Recv(COPY_MAX),
        Outcome::Progress(COPY_MAX),
    );
    step(
        &mut flow,
        Action::Send(COPY_MAX),
        Outcome::Progress(COPY_MAX),
    );
    assert_eq!(flow.next(COPY_MAX), Some(Action::SpliceIn));
    flow
}

#[test]
fn a_short_read_means_drained() {
    let mut flow = Flow::new(DataPath::Auto);

    step(&mut flow, Action::Recv(COPY_MAX), Outcome::Progress(100));
    let next = step(&mut flow, Action::Send(100), Outcome::Progress(100));

    assert_eq!(next, None);
}

#[test]
fn a_short_read_after_a_hangup_is_not_the_end() {
    let mut flow = Flow::new(DataPath::Auto);
    flow.handle_readable(true);

    step(&mut flow, Action::Recv(COPY_MAX), Outcome::Progress(100));
    let next = step(&mut flow, Action::Send(100), Outcome::Progress(100));
    assert_eq!(next, Some(Action::Recv(COPY_MAX)));

    let next = step(&mut flow, Action::Recv(COPY_MAX), Outcome::Eof);
    assert_eq!(next, Some(Action::ShutSink));
    assert_eq!(
        step(&mut flow, Action::ShutSink, Outcome::Progress(0)),
        None
    );
    assert!(flow.is_shut());
}

#[test]
fn a_full_sink_keeps_the_source_unread() {
    let mut flow = Flow::new(DataPath::Auto);

    step(&mut flow, Action::Recv(COPY_MAX), Outcome::Progress(100));
    step(&mut flow, Action::Send(100), Outcome::Progress(60));
    assert_eq!(step(&mut flow, Action::Send(40), Outcome::Blocked), None);
    flow.handle_readable(false);
    assert_eq!(flow.next(COPY_MAX), None);

    flow.handle_writable();
    let next = step(&mut flow, Action::Send(40), Outcome::Progress(40));
    assert_eq!(next, Some(Action::Recv(COPY_MAX)));
    assert_eq!(flow.bytes(), 100);
}

#[test]
fn splice_begins_at_the_measured_size_and_not_one_below() {
    for (bytes, expected) in [
        (limits::SPLICE_ENTER - 1, Action::Recv(COPY_MAX)),
        (limits::SPLICE_ENTER, Action::SpliceIn),
    ] {
        let mut flow = Flow::new(DataPath::Auto);
        step(&mut flow, Action::Recv(COPY_MAX), Outcome::Progress(bytes));
        step(&mut flow, Action::Send(bytes), Outcome::Progress(bytes));
        flow.handle_readable(false);
        assert_eq!(flow.next(COPY_MAX), Some(expected), "after {bytes} bytes");
    }
}

#[test]
fn splice_ends_after_three_small_ones_in_a_row() {
    let small = limits::SPLICE_WORTH - 1;
    let mut flow = bulk_flow();

    for bytes in [small, small, limits::SPLICE_WORTH, small, small, small] {
        step(&mut flow, Action::SpliceIn, Outcome::Progress(bytes));
        step(
            &mut flow,
            Action::SpliceOut(bytes),
            Outcome::Progress(bytes),
        );
    }

    assert_eq!(flow.next(COPY_MAX), Some(Action::Recv(COPY_MAX)));
}

#[test]
fn an_empty_splice_after_progress_only_clears_readiness() {
    let mut flow = bulk_flow();

    assert_eq!(step(&mut flow, Action::SpliceIn, Outcome::Blocked), None);
    flow.handle_readable(false);

    assert_eq!(flow.next(COPY_MAX), Some(Action::SpliceIn));
}

#[test]
fn an_empty_splice_right_after_an_event_is_confirmed_by_a_peek() {
    let mut drained = bulk_flow();
    drained.handle_readable(false);
    let next = step(&mut drained, Action::SpliceIn, Outcome::Blocked);
    assert_eq!(next, Some(Action::Peek));
    assert_eq!(step(&mut drained, Action::Peek, Outcome::Blocked), None);

    let mut refilled = bulk_flow();
    refilled.handle_readable(false);
    step(&mut refilled, Action::SpliceIn, Outcome::Blocked);
    step(&mut refilled, Action::Peek, Outcome::Progress(1));
    let next = step(&mut refilled, Action::SpliceIn, Outcome::Progress(9));
    assert_eq!(next, Some(Action::SpliceOut(9)));

    let mut urgent = bulk_flow();
    urgent.handle_readable(false);
    step(&mut urgent, Action::SpliceIn, Outcome::Blocked);
    step(&mut urgent, Action::Peek, Outcome::Progress(1));
    let result = urgent.handle(Action::SpliceIn, Outcome::Blocked);
    assert_eq!(result, Err(Broken::UrgentData));
}

#[test]
fn eof_of_a_splice_counts_only_when_a_peek_agrees() {
    let mut honest = bulk_flow();
    step(&mut honest, Action::SpliceIn, Outcome::Eof);
    let next = step(&mut honest, Action::Peek, Outcome::Eof);
    assert_eq!(next, Some(Action::ShutSink));

    let mut urgent = bulk_flow();
    step(&mut urgent, Action::SpliceIn, Outcome::Eof);
    let result = urgent.handle(Action::Peek, Outcome::Progress(1));
    assert_eq!(result, Err(Broken::UrgentData));
}

#[test]
fn without_a_pipe_the_read_goes_through_the_buffer_and_bulk_asks_again() {
    for path in [DataPath::Auto, DataPath::Splice] {
        let mut flow = Flow::new(path);
        if path == DataPath::Auto {
            flow = bulk_flow();
        }

        let none = Outcome::Error(Fault::Resource);
        let next = step(&mut flow, Action::SpliceIn, none);
        assert_eq!(next, Some(Action::Recv(COPY_MAX)));

        step(
            &mut flow,
            Action::Recv(COPY_MAX),
            Outcome::Progress(COPY_MAX),
        );
        let next = step(
            &mut flow,
            Action::Send(COPY_MAX),
            Outcome::Progress(COPY_MAX),
        );
        assert_eq!(next, Some(Action::SpliceIn));
    }
}

#[test]
fn a_forced_path_is_kept() {
    let mut copying = Flow::new(DataPath::Copy);
    step(
        &mut copying,
        Action::Recv(COPY_MAX),
        Outcome::Progress(COPY_MAX),
    );
    let next = step(
        &mut copying,
        Action::Send(COPY_MAX),
        Outcome::Progress(COPY_MAX),
    );
    assert_eq!(next, Some(Action::Recv(COPY_MAX)));

    let mut splicing = Flow::new(DataPath::Splice);
    for _ in 0..10 {
        step(&mut splicing, Action::SpliceIn, Outcome::Progress(1));
        step(&mut splicing, Action::SpliceOut(1), Outcome::Progress(1));
    }
    assert_eq!(splicing.next(COPY_MAX), Some(Action::SpliceIn));
}
