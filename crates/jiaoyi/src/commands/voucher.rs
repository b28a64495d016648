//! `jiaoyi voucher verify`: is this voucher genuine? Works on a machine without any database.

use crate::exit::{Exit, note, print};
use clap::{Args, Subcommand};
use jiaoyi_crypto::public_keys::PublicKeys;
use jiaoyi_crypto::voucher::verify_voucher;
use jiaoyi_documents::find_qr_text;
use std::io::Read;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct VoucherArgs {
    #[command(subcommand)]
    command: VoucherCommand,
}

#[derive(Subcommand)]
enum VoucherCommand {
    /// Verify the signature of a voucher from its PNG, its PDF or the text of its QR code.
    #[command(
        after_help = "Examples:\n  jiaoyi voucher verify --keys keys.json 凭证.pdf\n  jiaoyi voucher verify --keys keys.json HTTPS://PAY.EXAMPLE/Q/…"
    )]
    Verify {
        /// The published key list (`/verify/keys`), saved beforehand.
        #[arg(long)]
        keys: PathBuf,
        /// A PNG or PDF file, the QR text itself, or - for stdin.
        voucher: String,
        /// One line of JSON on stdout.
        #[arg(long)]
        json: bool,
    },
}

/// Whether a QR text was given, right or with a character wrong, and not the name of a file.
fn is_text(voucher: &str) -> bool {
    let upper = voucher.to_ascii_uppercase();
    upper.starts_with("HTTPS://") || upper.contains("/Q/") && !Path::new(voucher).exists()
}

fn read_input(voucher: &str) -> Result<Vec<u8>, Exit> {
    if voucher == "-" {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .map_err(Exit::unexpected)?;
        return Ok(bytes);
    }
    if is_text(voucher) {
        return Ok(voucher.as_bytes().to_vec());
    }
    let path = Path::new(voucher);
    std::fs::read(path).map_err(|error| Exit::unread(path, &error))
}

/// Exit 0 when genuine, 1 when not.
pub fn run(args: VoucherArgs) -> Result<(), Exit> {
    let VoucherCommand::Verify {
        keys,
        voucher,
        json,
    } = args.command;
    let text = std::fs::read_to_string(&keys).map_err(|error| Exit::unread(&keys, &error))?;
    let keys = PublicKeys::parse(&text).map_err(|error| {
        Exit::usage(format!(
            "{}: {error}; save the portal's page /verify/keys again",
            keys.display()
        ))
    })?;
    let bytes = read_input(&voucher)?;
    let found = find_qr_text(&bytes);
    let verified = found
        .as_deref()
        .ok_or_else(|| "no voucher text was found in it".to_owned())
        .and_then(|text| verify_voucher(text, &keys).map_err(|error| error.to_string()));
    match verified {
        Ok(claims) => {
            if json {
                print(serde_json::json!({
                    "ok": true,
                    "voucher_no": claims.voucher_no.to_string(),
                    "issuer": claims.issuer,
                    "name": claims.name_masked,
                    "benefit_year": claims.benefit_year,
                    "region": claims.region,
                    "amount_fen": claims.amount.get(),
                    "channel": claims.channel,
                    "issued_at": claims.issued_at.rfc3339(),
                    "check_refund_online": true,
                }));
            } else {
                print(format!(
                    "✓ 真实有效的签名 genuine: {} {} {}年度 {}元 {} {}",
                    claims.voucher_no,
                    claims.name_masked,
                    claims.benefit_year,
                    claims.amount,
                    claims.region,
                    claims.issued_at.local()
                ));
                note(
                    "离线只能证明凭证是真的；是否已退费，请在查验页上查。\n\
                     Offline this proves that it is genuine; whether it was refunded must be \
                     checked online.",
                );
            }
            Ok(())
        }
        Err(why) => {
            if json {
                print(serde_json::json!({ "ok": false, "why": why }));
            } else {
                print(format!("✗ 不是真实的凭证 not genuine: {why}"));
            }
            Err(Exit::no())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_any_one_character_changed_is_still_a_text() {
        let text = "HTTPS://PAY.EXAMPLE/Q/QRD2EAJGARBHM";
        assert!(is_text("https://pay.example/Q/QRD2EAJGARBHM"));
        for place in 0..text.len() {
            let mut changed = text.to_owned();
            changed.replace_range(place..=place, "#");
            assert!(is_text(&changed), "{changed}");
        }
        assert!(!is_text("凭证.pdf"));
    }
}
