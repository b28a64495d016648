//! Vouchers: shown to whoever holds the receipt link or the check code, signed on first read,
//! drawn as PNG and PDF, verified in public.

use crate::bills::{stored_items, stored_subsidies};
use crate::platform::Platform;
use crate::portal::{
    PublicVoucher, VerifyAnswer, Visitor, VoucherAnswer, VoucherKey, VoucherStatus, VoucherView,
};
use jiaoyi_crypto::Algorithm;
use jiaoyi_crypto::record::{Field, record_hash};
use jiaoyi_crypto::voucher::{VERSION, VoucherClaims, qr_text, sign_voucher, verify_voucher};
use jiaoyi_documents::{FaceLine, FaceState, PayerRelation, VoucherFace};
use jiaoyi_domain::capital::capital_with_currency;
use jiaoyi_domain::channel::ChannelCode;
use jiaoyi_domain::decide::StoreSignature;
use jiaoyi_domain::voucher::{
    Voucher, VoucherContent, VoucherSignature, VoucherState, normalise_check_code,
};
use jiaoyi_domain::{Date, Fen, Instant, VoucherNo};
use jiaoyi_store::StoreError;
use std::collections::BTreeMap;

/// A voucher with its content and its signature.
pub(crate) struct Signed {
    pub voucher: Voucher,
    pub content: VoucherContent,
    pub signature: VoucherSignature,
    pub qr_text: String,
}

const fn status(state: VoucherState) -> VoucherStatus {
    match state {
        VoucherState::Valid => VoucherStatus::Valid,
        VoucherState::Refunded => VoucherStatus::Refunded,
        VoucherState::Superseded => VoucherStatus::Superseded,
    }
}

/// The hash of everything frozen in a voucher, as its signature states it.
#[must_use]
pub fn voucher_content_hash(algorithm: Algorithm, voucher: &Voucher) -> [u8; 32] {
    let fields = BTreeMap::from([
        ("number", Field::from(voucher.voucher_no.as_str())),
        ("check_code", Field::from(voucher.check_code.as_str())),
        ("issued_at", Field::from(voucher.issued_at.0)),
        ("content", Field::from(voucher.content.as_str())),
    ]);
    record_hash(algorithm.hash(), &fields)
}

fn date(text: &str) -> Date {
    text.parse().unwrap_or_default()
}

impl Platform {
    /// The host of QR texts, in capital letters.
    fn qr_host(&self) -> String {
        let url = &self.config.public_url;
        url.split_once("://")
            .map_or(url.as_str(), |(_, host)| host)
            .to_ascii_uppercase()
    }

    fn claims(&self, voucher: &Voucher, content: &VoucherContent) -> VoucherClaims {
        let (_, key) = self.keyring.voucher_key();
        VoucherClaims {
            version: VERSION,
            issuer: content.issuer.clone(),
            voucher_no: voucher.voucher_no.clone(),
            issued_at: voucher.issued_at,
            benefit_year: content.benefit_year,
            region: content.region.clone(),
            name_masked: content.name_masked.clone(),
            amount: Fen::new(content.own_fen),
            channel: content.channel.clone(),
            record_hash: voucher_content_hash(key.public().algorithm(), voucher),
        }
    }

    /// The signature of a voucher, made now when there is none yet.
    pub(crate) async fn signed(&self, voucher: Voucher) -> Result<Option<Signed>, StoreError> {
        let Some(content) = VoucherContent::from_text(&voucher.content) else {
            return Ok(None);
        };
        let key = (voucher.bucket, voucher.voucher_no.clone());
        let mut known: Option<VoucherSignature> = self.store.load(&key).await?;
        if known.is_none() {
            let (key_id, signing) = self.keyring.voucher_key();
            let claims = self.claims(&voucher, &content);
            let mut random = |bytes: &mut [u8]| (self.random)(bytes);
            let cose = sign_voucher(&claims, &self.qr_host(), key_id, signing, &mut random)
                .map_err(|error| StoreError::Unavailable {
                    why: error.to_string(),
                })?;
            let command = StoreSignature {
                voucher: key.clone(),
                key_id: key_id.to_owned(),
                algorithm: signing.public().algorithm().name().to_owned(),
                host: self.qr_host(),
                cose,
            };
            self.submit(command).await?;
            known = self.store.load(&key).await?;
        }
        let Some(signature) = known else {
            return Ok(None);
        };
        let text = qr_text(&signature.host, &signature.cose);
        let qr_text = text.map_err(|error| StoreError::Unavailable {
            why: error.to_string(),
        })?;
        Ok(Some(Signed {
            voucher,
            content,
            signature,
            qr_text,
        }))
    }

    async fn voucher_by_number(&self, number: &str) -> Result<Option<Voucher>, StoreError> {
        match VoucherNo::parse(number) {
            Some(no) => self.store.load(&(no.bucket(), no)).await,
            None => Ok(None),
        }
    }

    /// The voucher, if the key proves the right to see it.
    pub(crate) async fn voucher_for(
        &self,
        visitor: &Visitor,
        number: &str,
        key: &VoucherKey,
    ) -> Result<VoucherAnswer<Signed>, StoreError> {
        let now = self.now();
        if let VoucherKey::CheckCode(_) = key {
            let paused = self
                .limits
                .verification(&visitor.ip, now)
                .or_else(|| self.limits.code_paused(&plain(number), now));
            if let Some(wait) = paused {
                return Ok(VoucherAnswer::RateLimited {
                    retry_after_s: wait,
                });
            }
        }
        let voucher = self.voucher_by_number(number).await?;
        let fits = match (key, &voucher) {
            (VoucherKey::Order(token), Some(voucher)) => {
                self.read_order_token(token) == Some((voucher.order_bucket, voucher.order_id))
            }
            (VoucherKey::CheckCode(code), Some(voucher)) => {
                normalise_check_code(code) == voucher.check_code
            }
            (_, None) => false,
        };
        if let (VoucherKey::CheckCode(_), false) = (key, fits) {
            self.limits.wrong_code(&plain(number), now);
        }
        match voucher.filter(|_| fits) {
            Some(voucher) => Ok(self
                .signed(voucher)
                .await?
                .map_or(VoucherAnswer::NotFound, VoucherAnswer::Shown)),
            None => Ok(VoucherAnswer::NotFound),
        }
    }

    fn region_paths(&self, code: &str) -> (String, String) {
        self.regions.get(code).map_or_else(
            || (code.to_owned(), code.to_owned()),
            |region| (self.regions.path_zh(region), self.regions.path_en(region)),
        )
    }

    /// A signed voucher as its page shows it.
    pub(crate) fn voucher_view(&self, signed: &Signed) -> VoucherView {
        let Signed {
            voucher,
            content,
            signature,
            qr_text,
        } = signed;
        let (region_zh, region_en) = self.region_paths(&content.region);
        let amount = Fen::new(content.own_fen);
        VoucherView {
            number: voucher.voucher_no.to_string(),
            check_code: voucher.check_code.clone(),
            status: status(voucher.state),
            name_masked: content.name_masked.clone(),
            document_masked: content.document_masked.clone(),
            relation: content.relation.clone(),
            region_zh,
            region_en,
            benefit_year: content.benefit_year,
            period_first: date(&content.period_first),
            period_last: date(&content.period_last),
            items: stored_items(&content.items),
            subsidies: stored_subsidies(&content.subsidies),
            amount,
            amount_capital: capital_with_currency(amount),
            paid_at: Instant(content.paid_at_ms),
            issued_at: voucher.issued_at,
            channel: ChannelCode::from_code(&content.channel),
            channel_txn: content.channel_txn.clone(),
            issuer: content.issuer.clone(),
            key_id: signature.key_id.clone(),
            algorithm: signature.algorithm.clone(),
            qr_text: qr_text.clone(),
            order: self.order_token(voucher.order_bucket, voucher.order_id),
        }
    }

    /// A voucher's face for PNG and PDF.
    pub(crate) fn face(&self, view: &VoucherView) -> VoucherFace {
        let channel = match view.channel {
            Some(ChannelCode::Wechat) => ("微信支付", "WeChat Pay"),
            Some(ChannelCode::Alipay) => ("支付宝", "Alipay"),
            Some(ChannelCode::Unionpay) => ("银联", "UnionPay"),
            Some(ChannelCode::Inbound(front)) => {
                let row = front.capability();
                (row.name_zh.as_str(), row.name_en.as_str())
            }
            Some(ChannelCode::Bank1 | ChannelCode::Bank2) => ("网上银行", "Online bank"),
            None => ("", ""),
        };
        VoucherFace {
            number: view.number.clone(),
            check_code: view.check_code.clone(),
            state: match view.status {
                VoucherStatus::Valid => FaceState::Valid,
                VoucherStatus::Refunded => FaceState::Refunded,
                VoucherStatus::Superseded => FaceState::Superseded,
            },
            name_masked: view.name_masked.clone(),
            document_masked: view.document_masked.clone(),
            relation: match view.relation.as_str() {
                "self" => PayerRelation::Insured,
                "other" => PayerRelation::Other,
                _ => PayerRelation::Unstated,
            },
            region_zh: view.region_zh.clone(),
            region_en: view.region_en.clone(),
            benefit_year: view.benefit_year,
            period_first: view.period_first,
            period_last: view.period_last,
            items: view
                .items
                .iter()
                .map(|item| FaceLine {
                    zh: item.name_zh.clone(),
                    en: item.name_en.clone(),
                    amount: item.amount,
                })
                .collect(),
            subsidies: view
                .subsidies
                .iter()
                .map(|part| FaceLine {
                    zh: part.payer_zh.clone(),
                    en: part.payer_en.clone(),
                    amount: part.amount,
                })
                .collect(),
            amount: view.amount,
            amount_capital: view.amount_capital.clone(),
            paid_at: view.paid_at,
            channel_zh: channel.0.to_owned(),
            channel_en: channel.1.to_owned(),
            channel_txn: view.channel_txn.clone(),
            issued_at: view.issued_at,
            issuer: view.issuer.clone(),
            key_id: view.key_id.clone(),
            algorithm: view.algorithm.clone(),
            demo: self.config.demo,
            qr_text: view.qr_text.clone(),
        }
    }

    fn public(&self, signed: &Signed) -> PublicVoucher {
        let (region_zh, region_en) = self.region_paths(&signed.content.region);
        PublicVoucher {
            number: signed.voucher.voucher_no.to_string(),
            status: status(signed.voucher.state),
            name_masked: signed.content.name_masked.clone(),
            region_zh,
            region_en,
            benefit_year: signed.content.benefit_year,
            amount: Fen::new(signed.content.own_fen),
            paid_on: Instant(signed.content.paid_at_ms).date(),
            issued_at: signed.voucher.issued_at,
            key_id: signed.signature.key_id.clone(),
            algorithm: signed.signature.algorithm.clone(),
        }
    }

    /// Public verification by number and check code.
    pub(crate) async fn verify_by_number(
        &self,
        visitor: &Visitor,
        number: &str,
        code: &str,
    ) -> Result<VerifyAnswer, StoreError> {
        let key = VoucherKey::CheckCode(code.to_owned());
        Ok(match self.voucher_for(visitor, number, &key).await? {
            VoucherAnswer::Shown(signed) => VerifyAnswer::Known(Box::new(self.public(&signed))),
            VoucherAnswer::NotFound => VerifyAnswer::NotFound,
            VoucherAnswer::RateLimited { retry_after_s } => {
                VerifyAnswer::RateLimited { retry_after_s }
            }
        })
    }

    /// Public verification of a QR text: the signature first, then what became of the voucher.
    pub(crate) async fn verify_by_text(
        &self,
        visitor: &Visitor,
        text: &str,
    ) -> Result<VerifyAnswer, StoreError> {
        if let Some(wait) = self.limits.verification(&visitor.ip, self.now()) {
            return Ok(VerifyAnswer::RateLimited {
                retry_after_s: wait,
            });
        }
        let body = text.rsplit("/Q/").next().unwrap_or_default();
        let keys = self.keyring.public_keys();
        let body = body.to_ascii_uppercase();
        // The signature covers the host; vouchers of an earlier address of ours stay genuine.
        let claims = std::iter::once(self.qr_host())
            .chain(self.former_hosts.iter().cloned())
            .find_map(|host| verify_voucher(&format!("HTTPS://{host}/Q/{body}"), &keys).ok());
        let Some(claims) = claims else {
            return Ok(VerifyAnswer::Forged);
        };
        let no = claims.voucher_no;
        let voucher: Option<Voucher> = self.store.load(&(no.bucket(), no)).await?;
        let Some(voucher) = voucher else {
            return Ok(VerifyAnswer::NotFound);
        };
        let Some(signed) = self.signed(voucher).await? else {
            return Ok(VerifyAnswer::NotFound);
        };
        // The hash is of the algorithm of the key that signed, which need not be today's key.
        let algorithm = Algorithm::from_name(&signed.signature.algorithm);
        let full = algorithm.map(|known| voucher_content_hash(known, &signed.voucher));
        if full != Some(claims.record_hash) {
            return Ok(VerifyAnswer::Forged);
        }
        Ok(VerifyAnswer::Known(Box::new(self.public(&signed))))
    }
}

fn plain(number: &str) -> String {
    number
        .chars()
        .filter(|c| c.is_ascii_alphanumeric())
        .map(|c| c.to_ascii_uppercase())
        .collect()
}
