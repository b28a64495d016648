//! Voucher signatures: each verifies under its published key, and says what its voucher says.

use super::view::View;
use super::{Report, SignatureKeys};
use jiaoyi_crypto::Algorithm;
use jiaoyi_crypto::voucher::verify_cose;
use jiaoyi_domain::record::Record;
use jiaoyi_domain::voucher::{VoucherContent, VoucherSignature};

pub(super) fn check(view: &View<'_>, keys: &SignatureKeys<'_>, report: &mut Report) {
    for row in view.part.signatures.values() {
        report.count("voucher signatures", 1);
        check_one(view, row, keys, report);
    }
}

fn check_one(
    view: &View<'_>,
    row: &VoucherSignature,
    keys: &SignatureKeys<'_>,
    report: &mut Report,
) {
    const RULE: &str = "voucher.signature";
    let claims = match verify_cose(&row.host, &row.cose, keys.vouchers) {
        Ok(claims) => claims,
        Err(error) => {
            report.fail_row(RULE, row, error.to_string());
            return;
        }
    };
    let Some(voucher) = view.part.vouchers.get(&row.key()) else {
        return;
    };
    let Some(content) = VoucherContent::from_text(&voucher.content) else {
        return;
    };
    let same = claims.voucher_no == voucher.voucher_no
        && claims.issued_at == voucher.issued_at
        && claims.benefit_year == content.benefit_year
        && claims.region == content.region
        && claims.name_masked == content.name_masked
        && claims.amount.get() == content.own_fen
        && claims.channel == content.channel;
    report.demand(
        same,
        RULE,
        row,
        "it was made over another content than its voucher has",
    );
    let entry = keys.vouchers.get(&row.key_id);
    let algorithm = entry.map(|entry| entry.key.algorithm());
    let named = algorithm == Algorithm::from_name(&row.algorithm) && algorithm.is_some();
    report.demand(
        named,
        RULE,
        row,
        "its key or algorithm is not the one it names",
    );
    let full = algorithm
        .is_some_and(|known| crate::voucher_content_hash(known, voucher) == claims.record_hash);
    report.demand(
        full,
        RULE,
        row,
        "its hash is not the hash of the full record",
    );
}
