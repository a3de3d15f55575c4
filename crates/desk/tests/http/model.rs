//! The state machine, whatever anybody does: random commands by random people against what must always hold.

use ::desk::{Actor, Command, HandoverReason, State, Status, Step};
use proptest::prelude::*;

fn person() -> impl Strategy<Value = String> {
    prop_oneof![Just("anna".to_owned()), Just("ben".to_owned()), Just("carl".to_owned())]
}

fn actor() -> impl Strategy<Value = Actor> {
    prop_oneof![
        4 => person().prop_map(Actor::Agent),
        2 => person().prop_map(Actor::Supervisor),
        1 => Just(Actor::Assistant),
        1 => Just(Actor::Customer),
        1 => Just(Actor::Channel),
        1 => Just(Actor::System),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        3 => Just(Command::HandOver(HandoverReason::Requested)),
        3 => Just(Command::Accept),
        2 => Just(Command::TakeOver),
        2 => person().prop_map(|to| Command::Assign { to }),
        2 => person().prop_map(|to| Command::Transfer { to }),
        2 => Just(Command::Requeue(HandoverReason::Released)),
        2 => Just(Command::HandBack),
        1 => person().prop_map(|name| Command::Colleague { name }),
        1 => Just(Command::Close),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// A session has an owner exactly while a person answers; its version counts its changes; closed is final; an agent
    /// changes nothing that is another's; a refusal changes nothing and names a field.
    #[test]
    fn what_always_holds(acts in prop::collection::vec((command(), actor()), 1..40)) {
        let mut state = State::new();
        for (command, actor) in acts {
            let before = state.clone();
            let next = match before.after(&command, &actor) {
                Err(problem) => {
                    prop_assert!([400, 403].contains(&problem.kind.status()));
                    prop_assert!(!problem.errors.is_empty());
                    if let Some(owner) = &before.owner {
                        prop_assert!(problem.errors["manualCsId"].contains(owner.as_str()));
                    }
                    continue;
                }
                Ok(Step::Stands) => continue,
                Ok(Step::Change(next)) => next,
            };
            prop_assert_ne!(before.status, Status::Closed, "closed is final");
            prop_assert_eq!(next.version, before.version + 1);
            match next.status {
                Status::Manual => prop_assert!(next.owner.is_some()),
                Status::Ai | Status::Pending => prop_assert!(next.owner.is_none()),
                // Who had it last is remembered.
                Status::Closed => prop_assert_eq!(&next.owner, &before.owner),
            }
            if let (Actor::Agent(id), Some(owner), Status::Manual) = (&actor, &before.owner, before.status) {
                prop_assert_eq!(id, owner, "an agent acted on another's session");
            }
            if let (Actor::Agent(id), Command::Accept | Command::TakeOver) = (&actor, &command) {
                prop_assert_eq!(next.owner.as_ref(), Some(id), "whoever takes a session has it");
            }
            prop_assert!(next != before);
            state = next;
        }
    }

    /// What stands stays: doing the same twice is doing it once.
    #[test]
    fn twice_is_once(acts in prop::collection::vec((command(), actor()), 1..20)) {
        let mut state = State::new();
        for (command, actor) in acts {
            let Ok(Step::Change(next)) = state.after(&command, &actor) else { continue };
            if matches!(command, Command::Close | Command::Accept | Command::TakeOver | Command::Assign { .. }) {
                prop_assert_eq!(next.after(&command, &actor), Ok(Step::Stands));
            }
            state = next;
        }
    }
}
