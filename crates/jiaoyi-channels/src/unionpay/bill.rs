//! Fetching UnionPay's daily file (对账文件), which comes inside a signed answer: `fileContent` is
//! Base64 of zlib of a zip.

use super::meaning::{Said, said};
use super::{UnionpayGateway, requests};
use crate::bill::{BillFault, BillOutcome, Bills};
use crate::gateway::Call;
use base64::engine::general_purpose::STANDARD;
use base64::read::DecoderReader;
use flate2::read::ZlibDecoder;
use jiaoyi_domain::bill::BillSort;
use jiaoyi_domain::time::{Date, Instant};
use std::io::{Read, Write, copy};
use std::time::Duration;

/// The largest answer that carries a daily file, and how long it may take.
const FILE_LIMITS: (usize, Duration) = (128 * 1024 * 1024, Duration::from_secs(300));
/// No zip is larger than this: a day of more than a million transactions.
const ZIP_BYTES_MAX: u64 = 96 * 1024 * 1024;
/// `respCode` when there is no file for the day (yet) [M].
const NO_FILE: &str = "98";

fn unknown(why: impl Into<String>) -> BillOutcome {
    BillOutcome::Unknown { why: why.into() }
}

/// Writes the zip that lies in `fileContent`.
fn unpack(content: &str, file: &mut (dyn Write + Send)) -> Result<(), BillFault> {
    let fault = |what: String| BillFault::Packing { what };
    let packed = DecoderReader::new(content.as_bytes(), &STANDARD);
    let mut zip = ZlibDecoder::new(packed).take(ZIP_BYTES_MAX + 1);
    match copy(&mut zip, file) {
        Ok(length) if length <= ZIP_BYTES_MAX => Ok(()),
        Ok(_) => Err(fault("the zip is larger than 96 MiB".to_owned())),
        Err(error) => Err(fault(error.to_string())),
    }
}

impl UnionpayGateway {
    async fn fetch_file(
        &self,
        sort: BillSort,
        day: Date,
        file: &mut (dyn Write + Send),
        now: Instant,
    ) -> BillOutcome {
        if sort != BillSort::Trade {
            return unknown(format!("no bill of the sort {} is fetched", sort.code()));
        }
        let day = format!("{:02}{:02}", day.month(), day.day());
        let request = requests::daily_file(&self.config, &day, now);
        let url = &self.config.file_url;
        let fields = match self.post(url, request, now, Some(FILE_LIMITS)).await {
            Ok(fields) => fields,
            Err(why) => return unknown(why),
        };
        let code = fields.text("respCode");
        match (said(code), fields.get("fileContent")) {
            (_, None) if code == NO_FILE => BillOutcome::Absent,
            (Said::Done, Some(_)) if fields.text("settleDate") != day => {
                unknown("the answer is about another day")
            }
            (Said::Done, Some(content)) => match unpack(content, file) {
                Ok(()) => BillOutcome::Ready,
                Err(fault) => BillOutcome::Refused(fault),
            },
            _ => unknown(format!("respCode {code}, {}", fields.text("respMsg"))),
        }
    }
}

impl Bills for UnionpayGateway {
    fn daily(&self) -> &'static [BillSort] {
        &[BillSort::Trade]
    }

    fn ready_hour(&self) -> i64 {
        9
    }

    fn fetch<'a>(
        &'a self,
        sort: BillSort,
        day: Date,
        file: &'a mut (dyn Write + Send),
        now: Instant,
        _nonces: [String; 2],
    ) -> Call<'a, BillOutcome> {
        Box::pin(self.fetch_file(sort, day, file, now))
    }
}
