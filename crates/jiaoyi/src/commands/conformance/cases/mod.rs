//! The cases, by what they are about. Each leaves nothing behind that [`Kit::tidy_up`] does not
//! know of.

mod collect;
mod day;
mod doubt;
mod pay;
mod query;
mod reverse;
mod signature;
mod xml;

use super::Profile;
use super::kit::Kit;
use super::play;

/// One case of an institution.
pub struct Case {
    pub case: play::Case<Kit>,
    /// Only in this form; in every form when none is named.
    pub only: Option<Profile>,
}

/// `case!("pay.twice", "what must be so", function)`; a fourth names the only form.
macro_rules! case {
    ($name:literal, $what:literal, $run:path) => {
        $crate::commands::conformance::cases::case!(@ $name, $what, $run, None)
    };
    ($name:literal, $what:literal, $run:path, $only:expr) => {
        $crate::commands::conformance::cases::case!(@ $name, $what, $run, Some($only))
    };
    (@ $name:literal, $what:literal, $run:path, $only:expr) => {
        $crate::commands::conformance::cases::Case {
            case: $crate::commands::conformance::play::case!($name, $what, $run),
            only: $only,
        }
    };
}
use case;

/// All cases, in the order in which they are run.
pub fn all() -> impl Iterator<Item = &'static Case> {
    [
        signature::CASES,
        query::CASES,
        collect::CASES,
        pay::CASES,
        doubt::CASES,
        reverse::CASES,
        day::CASES,
        xml::CASES,
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn there_are_sixty_cases_and_each_has_its_own_name() {
        let names: Vec<&str> = all().map(|case| case.case.name).collect();
        let apart: BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(apart.len(), names.len(), "{names:?}");
        assert!(names.len() >= 60, "{}", names.len());
        assert!(names.iter().all(|name| name.contains('.')), "{names:?}");
    }
}
