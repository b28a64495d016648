//! The cases, by what they are about. Each leaves nothing behind that [`Kit::tidy_up`] does not
//! know of.

mod collect;
mod day;
mod doubt;
mod pay;
mod query;
mod reverse;
mod signature;

use super::kit::Kit;

pub(super) use super::play::case;

/// One case of an institution.
pub type Case = super::play::Case<Kit>;

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
        let names: Vec<&str> = all().map(|case| case.name).collect();
        let apart: BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(apart.len(), names.len(), "{names:?}");
        assert!(names.len() >= 60, "{}", names.len());
        assert!(names.iter().all(|name| name.contains('.')), "{names:?}");
    }
}
