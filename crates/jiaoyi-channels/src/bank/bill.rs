//! Fetching a bank's file of a day: Base64 inside a signed answer.

use super::BankGateway;
use crate::bill::{BillFault, BillOutcome, BillReader, Bills};
use crate::gateway::Call;
use base64::engine::general_purpose::STANDARD;
use base64::read::DecoderReader;
use jiaoyi_domain::bill::{BillName, BillSort};
use jiaoyi_domain::time::{Date, Instant};
use std::fs::File;
use std::io::{Write, copy};
use std::sync::Arc;

impl BankGateway {
    async fn fetch_file(
        &self,
        sort: BillSort,
        day: Date,
        file: &mut (dyn Write + Send),
    ) -> BillOutcome {
        let unknown = |why: String| BillOutcome::Unknown { why };
        if sort != BillSort::Trade {
            return unknown(format!("no bill of the sort {} is fetched", sort.code()));
        }
        let (names, codes) = (&self.profile.names, &self.profile.codes);
        let day = self.profile.day(day);
        let asked = self.merchant_fields().with(&names.day, &day);
        let fields = match self.call(&self.profile.paths.file, &asked).await {
            Ok(fields) => fields,
            Err(why) => return unknown(why),
        };
        if fields.text(&names.day) != day {
            return unknown("the answer is about another day".to_owned());
        }
        if fields.is_one_of(&names.state, &codes.absent) {
            return BillOutcome::Absent;
        }
        let content = fields.get(&names.content);
        match content.filter(|_| fields.is_one_of(&names.state, &codes.file_ready)) {
            Some(content) => {
                let mut plain = DecoderReader::new(content.as_bytes(), &STANDARD);
                match copy(&mut plain, file) {
                    Ok(_) => BillOutcome::Ready,
                    Err(error) => BillOutcome::Refused(BillFault::Packing {
                        what: error.to_string(),
                    }),
                }
            }
            None => unknown(format!("state {}", fields.text(&names.state))),
        }
    }
}

impl Bills for BankGateway {
    fn daily(&self) -> &'static [BillSort] {
        &[BillSort::Trade]
    }

    fn ready_hour(&self) -> i64 {
        8
    }

    fn fetch<'a>(
        &'a self,
        sort: BillSort,
        day: Date,
        file: &'a mut (dyn Write + Send),
        _now: Instant,
        _nonces: [String; 2],
    ) -> Call<'a, BillOutcome> {
        Box::pin(self.fetch_file(sort, day, file))
    }

    fn read(&self, name: BillName, file: File) -> Result<BillReader, BillFault> {
        BillReader::open_bank(name, file, Arc::clone(&self.profile))
    }
}
