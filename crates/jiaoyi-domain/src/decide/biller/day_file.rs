//! A day file is kept with what came of comparing it, and each difference is a case, there or where it is
//! booked.

use super::super::{Answer, CaseKind, Command, Context, Refusal, post};
use super::told::{open_case_once, subject};
use crate::biller::DayFile;
use crate::messages::{Case, Topic};
use crate::needs::Needs;
use crate::record::Record;
use crate::working_set::WorkingSet;

/// Most differences of one file that become cases of their own; the result file has all.
const CASES_MAX: usize = 1_000;

/// Keeps a day file.
pub struct StoreDayFile {
    pub file: DayFile,
    /// Serial and words of each difference that is a case.
    pub differences: Vec<(String, String)>,
    /// Whether it tells of payments and undoings that no call has brought: they are booked later,
    /// from the kept file.
    pub tells: bool,
}

impl StoreDayFile {
    /// Subject and words of the cases. A file that replaces another one tells much of it again.
    fn cases(&self) -> impl Iterator<Item = (String, String)> {
        let (inst_id, day) = (&self.file.inst_id, self.file.day);
        let some = self.differences.iter().take(CASES_MAX);
        some.map(move |(seq, words)| (subject(inst_id, seq), format!("{day} {words}")))
    }
}

impl Command for StoreDayFile {
    fn kind(&self) -> &'static str {
        "store_day_file"
    }

    fn actor(&self) -> String {
        format!("institution:{}", self.file.inst_id)
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        let ws = needs.loaded();
        needs.key::<DayFile>(&self.file.key());
        if ws.day_file.get(&self.file.key()).is_none() {
            for (subject, _) in self.cases() {
                needs.range::<Case>("by_subject", &(self.file.bucket, subject));
            }
        }
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        if let Some(known) = ws.day_file.get(&self.file.key()) {
            let body = known.answer.clone();
            return Ok(Answer::Called { body });
        }
        ws.day_file.put(self.file.clone());
        for (subject, detail) in self.cases() {
            let of = (self.file.bucket, CaseKind::DayFile);
            open_case_once(ws, ctx, of, &subject, &detail);
        }
        if self.tells {
            let (bucket, name) = (self.file.bucket, self.file.name());
            post(ws, ctx, bucket, Topic::DayFile, &name, 0);
        }
        let body = self.file.answer.clone();
        Ok(Answer::Called { body })
    }
}
