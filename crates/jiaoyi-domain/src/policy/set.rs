//! All packs together: which one holds for a region and year.

use super::{InForce, Pack, Problem, Status};
use crate::region::RegionTable;

/// The packs an installation knows, checked against each other.
#[derive(Clone, Debug, Default)]
pub struct PolicySet {
    in_force: Vec<InForce>,
    shown: Vec<Pack>,
}

impl PolicySet {
    /// Reads and checks all files; nothing is taken when anything is wrong.
    ///
    /// # Errors
    ///
    /// Every problem of every file, also two packs in force for one region, year and scheme.
    pub fn load<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<PolicySet, Vec<Problem>> {
        let mut set = PolicySet::default();
        let mut problems = Vec::new();
        for (file, text) in files {
            match Pack::parse(file, text) {
                Ok(pack) if pack.status == Status::InForce => match InForce::try_new(pack) {
                    Ok(pack) => problems.extend(set.add(pack)),
                    Err(found) => problems.extend(found),
                },
                Ok(pack) => {
                    problems.extend(pack.check());
                    set.shown.push(pack);
                }
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() {
            Ok(set)
        } else {
            Err(problems)
        }
    }

    fn add(&mut self, pack: InForce) -> Option<Problem> {
        let same = |other: &&InForce| {
            let (a, b) = (other.pack(), pack.pack());
            other.region() == pack.region()
                && (a.benefit_year, a.scheme) == (b.benefit_year, b.scheme)
        };
        let twin = self.in_force.iter().find(same);
        let problem = twin.map(|twin| {
            let what = format!(
                "{} is in force for the same region and year",
                twin.pack().file
            );
            let fix = "keep one of them in force";
            pack.pack().problem("policy.duplicate", "region", what, fix)
        });
        self.in_force.push(pack);
        problem
    }

    /// The pack in force for a region: its own, or that of the nearest region above it.
    ///
    /// # Source
    ///
    /// S-004 (pooling regions).
    #[must_use]
    pub fn holding(
        &self,
        regions: &RegionTable,
        region: &str,
        benefit_year: i16,
    ) -> Option<&InForce> {
        let of = |code: &str| {
            self.in_force
                .iter()
                .find(|pack| pack.region() == code && pack.pack().benefit_year == benefit_year)
        };
        of(region).or_else(|| regions.ancestors(region).iter().find_map(|r| of(r.code())))
    }

    /// The packs in force.
    #[must_use]
    pub fn in_force(&self) -> &[InForce] {
        &self.in_force
    }

    /// Examples and drafts: to be shown, never payable.
    #[must_use]
    pub fn shown(&self) -> &[Pack] {
        &self.shown
    }
}
