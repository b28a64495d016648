//! What an event does to an object that has a state.

/// The answer of a transition table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step<S> {
    /// The object moves to this state (which may be the one it is in).
    To(S),
    /// The event was applied before; nothing changes, and that is an answer, not an error.
    AlreadyApplied,
    /// The event cannot happen in this state; the command that carries it is refused.
    Refused,
}

impl<S: Copy> Step<S> {
    /// The state after the step, given the one before; `None` when refused.
    pub fn after(self, before: S) -> Option<S> {
        match self {
            Step::To(state) => Some(state),
            Step::AlreadyApplied => Some(before),
            Step::Refused => None,
        }
    }
}
