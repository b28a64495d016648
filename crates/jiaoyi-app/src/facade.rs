//! The platform as the pages see it.

use crate::admission::Party;
use crate::biller::access::{AccessAction, AccessAnswer, Acted};
use crate::biller::{BillerReply, RawCall};
use crate::platform::Platform;
use crate::portal::{
    Announcement, Answer, LinkAnswer, LookupAnswer, LookupRequest, NoticeReply, OrderView, Portal,
    PortalError, RawNotice, RecordAnswer, RecordView, RegionView, StartAnswer, StartRequest,
    VerifyAnswer, Visitor, VoucherAnswer, VoucherKey, VoucherView, WindowNote,
};
use crate::vouchers::Signed;
use jiaoyi_documents::{voucher_pdf, voucher_png};
use jiaoyi_domain::channel::{ChannelCode, Method};
use jiaoyi_domain::policy::{Phase, PhaseKind, Window};
use jiaoyi_domain::region::{Region, RegionKind};
use jiaoyi_store::StoreError;
use std::future::Future;

impl Platform {
    async fn or_trouble<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, PortalError> {
        work.await.map_err(|error| self.trouble(&error))
    }

    fn region_view(&self, region: &Region) -> RegionView {
        let has_children = !self.regions.children(region.code()).is_empty();
        RegionView {
            code: region.code().to_owned(),
            path_zh: self.regions.path_zh(region),
            path_en: self.regions.path_en(region),
            name_zh: region.name_zh().to_owned(),
            name_en: region.name_en().to_owned(),
            selectable: region.kind() == RegionKind::County || !has_children,
            has_children,
        }
    }

    fn search(&self, text: &str, limit: usize) -> Vec<RegionView> {
        let plain = |text: &str| {
            text.chars()
                .filter(|c| !c.is_whitespace())
                .collect::<String>()
        };
        let wanted = plain(text);
        // Prefectures are found too and cannot be chosen: they must not use up the limit.
        let found: Vec<RegionView> = self
            .regions
            .search(text, usize::MAX)
            .into_iter()
            .map(|region| self.region_view(region))
            .filter(|view| view.selectable)
            .take(limit)
            .collect();
        let exact: Vec<&RegionView> = found
            .iter()
            .filter(|view| {
                view.code == wanted || view.name_zh == wanted || plain(&view.path_zh) == wanted
            })
            .collect();
        match exact.as_slice() {
            [one] => vec![(*one).clone()],
            _ => found,
        }
    }

    /// The windows worth a line: those open now, one for each benefit year.
    fn notes(&self) -> Vec<WindowNote> {
        let today = self.today();
        let mut notes: Vec<WindowNote> = Vec::new();
        for pack in self.policies().in_force() {
            let benefit_year = pack.pack().benefit_year;
            let known = notes.iter().any(|note| note.benefit_year == benefit_year);
            let Phase::InWindow { last } = pack.phase_on(today, None) else {
                continue;
            };
            let ordinary =
                |row: &&Window| row.phase == PhaseKind::InWindow && row.channel.is_none();
            let starts = pack
                .pack()
                .windows
                .iter()
                .filter(ordinary)
                .filter_map(|row| row.first);
            if let (Some(first), false) = (starts.min(), known) {
                notes.push(WindowNote {
                    benefit_year,
                    first,
                    last,
                    open: true,
                });
            }
        }
        notes
    }

    /// One announcement for each channel that seems to be down.
    fn troubled_channels(&self) -> Vec<Announcement> {
        let tell = |channel: ChannelCode| {
            let row = channel.capability();
            let (zh, en) = (&row.name_zh, &row.name_en);
            Announcement {
                on: self.today(),
                until: None,
                title_zh: format!("{zh}现在可能用不了"),
                title_en: format!("{en} may not work at the moment"),
                body_zh: format!(
                    "{zh}没有回应我们。可以换一种支付方式，或过一会儿再试。\n\n\
                     已经付了的，不要再付：结果会自己更新，多付的会退回。"
                ),
                body_en: format!(
                    "{en} does not answer us. Pay another way, or try again later.\n\n\
                     If you have paid, do not pay again: the result will follow, and what was paid \
                     twice goes back."
                ),
                channel: Some(channel),
            }
        };
        self.health.down(self.now()).into_iter().map(tell).collect()
    }

    async fn draw(
        &self,
        visitor: &Visitor,
        number: &str,
        key: &VoucherKey,
        pdf: bool,
    ) -> Result<VoucherAnswer<Vec<u8>>, StoreError> {
        let signed: Signed = match self.voucher_for(visitor, number, key).await? {
            VoucherAnswer::Shown(signed) => signed,
            VoucherAnswer::NotFound => return Ok(VoucherAnswer::NotFound),
            VoucherAnswer::RateLimited { retry_after_s } => {
                return Ok(VoucherAnswer::RateLimited { retry_after_s });
            }
        };
        let face = self.face(&self.voucher_view(&signed));
        let drawn = if pdf {
            voucher_pdf(&self.fonts, &face)
        } else {
            voucher_png(&self.fonts, &face)
        };
        drawn
            .map(VoucherAnswer::Shown)
            .map_err(|error| StoreError::Unavailable {
                why: error.to_string(),
            })
    }
}

impl Portal for Platform {
    fn regions_search<'a>(&'a self, text: &'a str, limit: usize) -> Answer<'a, Vec<RegionView>> {
        Box::pin(async move { Ok(self.search(text, limit)) })
    }

    fn regions_children<'a>(&'a self, code: Option<&'a str>) -> Answer<'a, Vec<RegionView>> {
        Box::pin(async move {
            let regions = match code {
                Some(code) => self.regions.children(code),
                None => self
                    .regions
                    .listed()
                    .filter(|region| region.kind() == RegionKind::Province)
                    .collect(),
            };
            Ok(regions
                .into_iter()
                .map(|region| self.region_view(region))
                .collect())
        })
    }

    fn region<'a>(&'a self, code: &'a str) -> Answer<'a, Option<RegionView>> {
        Box::pin(async move {
            Ok(self
                .regions
                .get(code)
                .map(|region| self.region_view(region)))
        })
    }

    fn window_notes(&self) -> Answer<'_, Vec<WindowNote>> {
        Box::pin(async move { Ok(self.notes()) })
    }

    fn announcements(&self) -> Answer<'_, Vec<Announcement>> {
        Box::pin(async move { Ok([self.troubled_channels(), self.news()].concat()) })
    }

    fn lookup<'a>(
        &'a self,
        visitor: &'a Visitor,
        request: LookupRequest,
        _form_key: &'a str,
    ) -> Answer<'a, LookupAnswer> {
        Box::pin(async move { self.or_trouble(self.look_up(visitor, &request)).await })
    }

    fn bill<'a>(
        &'a self,
        visitor: &'a Visitor,
        bill_ref: &'a str,
    ) -> Answer<'a, Option<crate::portal::BillView>> {
        Box::pin(self.or_trouble(async move {
            let Some(reference) = self.open_bill(visitor, bill_ref) else {
                return Ok(None);
            };
            let view = self.store.view().await?;
            match self.bill_priced(&view, &reference, None).await? {
                Some(priced) => {
                    let bill = self.bill_view(&view, visitor, &priced, &reference);
                    bill.await.map(Some)
                }
                None => Ok(None),
            }
        }))
    }

    fn start<'a>(&'a self, visitor: &'a Visitor, request: StartRequest) -> Answer<'a, StartAnswer> {
        Box::pin(self.or_trouble(self.start_payment(visitor, request)))
    }

    fn confirm_zero<'a>(
        &'a self,
        visitor: &'a Visitor,
        bill_ref: &'a str,
        relation: &'a str,
        form_key: &'a str,
    ) -> Answer<'a, StartAnswer> {
        Box::pin(self.or_trouble(self.confirm_nothing(visitor, bill_ref, relation, form_key)))
    }

    fn order<'a>(&'a self, visitor: &'a Visitor, token: &'a str) -> Answer<'a, Option<OrderView>> {
        Box::pin(self.or_trouble(self.order_view(visitor, token)))
    }

    fn refresh<'a>(
        &'a self,
        visitor: &'a Visitor,
        token: &'a str,
    ) -> Answer<'a, Option<OrderView>> {
        Box::pin(self.or_trouble(self.refresh_order(visitor, token)))
    }

    fn cancel<'a>(&'a self, visitor: &'a Visitor, token: &'a str) -> Answer<'a, Option<OrderView>> {
        Box::pin(self.or_trouble(self.give_up(visitor, token)))
    }

    fn switch<'a>(
        &'a self,
        visitor: &'a Visitor,
        token: &'a str,
        method: Method,
        openid: Option<String>,
        form_key: &'a str,
    ) -> Answer<'a, StartAnswer> {
        Box::pin(self.or_trouble(self.switch_method(visitor, token, method, openid, form_key)))
    }

    fn voucher<'a>(
        &'a self,
        visitor: &'a Visitor,
        number: &'a str,
        key: &'a VoucherKey,
    ) -> Answer<'a, VoucherAnswer<VoucherView>> {
        Box::pin(self.or_trouble(async move {
            Ok(match self.voucher_for(visitor, number, key).await? {
                VoucherAnswer::Shown(signed) => VoucherAnswer::Shown(self.voucher_view(&signed)),
                VoucherAnswer::NotFound => VoucherAnswer::NotFound,
                VoucherAnswer::RateLimited { retry_after_s } => {
                    VoucherAnswer::RateLimited { retry_after_s }
                }
            })
        }))
    }

    fn voucher_png<'a>(
        &'a self,
        visitor: &'a Visitor,
        number: &'a str,
        key: &'a VoucherKey,
    ) -> Answer<'a, VoucherAnswer<Vec<u8>>> {
        Box::pin(self.or_trouble(self.draw(visitor, number, key, false)))
    }

    fn voucher_pdf<'a>(
        &'a self,
        visitor: &'a Visitor,
        number: &'a str,
        key: &'a VoucherKey,
    ) -> Answer<'a, VoucherAnswer<Vec<u8>>> {
        Box::pin(self.or_trouble(self.draw(visitor, number, key, true)))
    }

    fn verify_number<'a>(
        &'a self,
        visitor: &'a Visitor,
        number: &'a str,
        check_code: &'a str,
    ) -> Answer<'a, VerifyAnswer> {
        Box::pin(self.or_trouble(self.verify_by_number(visitor, number, check_code)))
    }

    fn verify_text<'a>(&'a self, visitor: &'a Visitor, text: &'a str) -> Answer<'a, VerifyAnswer> {
        Box::pin(self.or_trouble(self.verify_by_text(visitor, text)))
    }

    fn keys_json(&self) -> Answer<'_, String> {
        Box::pin(async move { Ok(self.keyring.public_keys().to_json()) })
    }

    fn channels_json(&self, region: Option<&str>) -> String {
        self.matrix(region)
    }

    fn records<'a>(&'a self, visitor: &'a Visitor) -> Answer<'a, Vec<RecordView>> {
        Box::pin(self.or_trouble(self.records_of(visitor)))
    }

    fn add_record<'a>(&'a self, visitor: &'a Visitor, text: &'a str) -> Answer<'a, RecordAnswer> {
        Box::pin(self.or_trouble(self.add_receipt(visitor, text)))
    }

    fn open_link<'a>(&'a self, visitor: &'a Visitor, token: &'a str) -> Answer<'a, LinkAnswer> {
        Box::pin(self.or_trouble(self.link_opened(visitor, token)))
    }

    fn answer_link<'a>(
        &'a self,
        visitor: &'a Visitor,
        token: &'a str,
        month: u8,
        day: u8,
    ) -> Answer<'a, LinkAnswer> {
        Box::pin(self.or_trouble(self.link_answered(visitor, token, month, day)))
    }

    fn wechat_authorize_url(&self, state: &str) -> Option<String> {
        let back = format!("{}/wechat/back", self.config.public_url);
        self.channels.wechat.as_ref()?.authorize_url(&back, state)
    }

    fn wechat_openid<'a>(&'a self, code: &'a str) -> Answer<'a, Option<String>> {
        Box::pin(async move {
            let Some(wechat) = &self.channels.wechat else {
                return Ok(None);
            };
            match wechat.openid(code).await {
                Ok(openid) => Ok(Some(openid)),
                Err(error) => {
                    tracing::warn!(code = error.code(), "WeChat gave no openid");
                    Ok(None)
                }
            }
        })
    }

    fn receive_notice(&self, channel: ChannelCode, notice: RawNotice) -> Answer<'_, NoticeReply> {
        Box::pin(async move { Ok(self.take_notice(channel, notice).await) })
    }

    fn caller(&self, authorization: Option<&str>) -> Party {
        self.biller_party(authorization)
    }

    fn biller_call(&self, call: RawCall) -> Answer<'_, BillerReply> {
        Box::pin(async move { Ok(self.biller(call).await) })
    }

    fn biller_keys(&self) -> String {
        self.answer_keys_json()
    }

    fn access<'a>(&'a self, visitor: &'a Visitor, token: &'a str) -> Answer<'a, AccessAnswer> {
        Box::pin(self.or_trouble(self.access_shown(visitor, token)))
    }

    fn access_act<'a>(
        &'a self,
        visitor: &'a Visitor,
        token: &'a str,
        action: AccessAction,
    ) -> Answer<'a, Acted> {
        Box::pin(self.or_trouble(self.access_acted(visitor, token, action)))
    }

    fn ready(&self) -> Answer<'_, String> {
        Box::pin(self.or_trouble(async move {
            if !self.store.can_write() {
                return Err(StoreError::Unavailable {
                    why: "the database takes nothing in".to_owned(),
                });
            }
            let cases = self.store.query("count_open_cases", &[]).await?;
            let open = match cases.first().and_then(|row| row.first()) {
                Some(jiaoyi_domain::record::Value::Int(count)) => *count,
                _ => 0,
            };
            Ok(format!(
                "{{\"database\":\"ok\",\"open_cases\":{open},\"refused_notices\":{},\"guessing\":{},\
                 \"channels_down\":{}}}",
                self.refused.count(),
                self.limits.guessing(),
                self.health.down(self.now()).len()
            ))
        }))
    }
}
