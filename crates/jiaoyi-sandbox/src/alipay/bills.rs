//! Answers for: Alipay's bill files: a zip with GBK names of GBK text, cells padded with tabs.

use std::io::Write;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use encoding_rs::GBK;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use jiff::civil::Date;
use serde_json::json;

use super::trades::{invalid, optional};
use super::{Call, Refusal, Reply, success};
use crate::bills::{Line, cut, lines_of_days, twist};
use crate::books::Channel;
use crate::crypto::random_hex;
use crate::faults::Fault;
use crate::money::yuan;
use crate::server::Sandbox;
use crate::times::{SECOND_MS, day, parse_day, plain};

/// How long a download link works.
const LINK_LIFE_MS: i64 = 30 * SECOND_MS;

const TRADE_COLUMNS: [&str; 25] = [
    "支付宝交易号",
    "商户订单号",
    "业务类型",
    "商品名称",
    "创建时间",
    "完成时间",
    "门店编号",
    "门店名称",
    "操作员",
    "终端号",
    "对方账户",
    "订单金额（元）",
    "商家实收（元）",
    "支付宝红包（元）",
    "集分宝（元）",
    "支付宝优惠（元）",
    "商家优惠（元）",
    "券核销金额（元）",
    "券名称",
    "商家红包消费金额（元）",
    "卡消费金额（元）",
    "退款批次号/请求号",
    "服务费（元）",
    "分润（元）",
    "备注",
];
const ACCOUNT_COLUMNS: [&str; 12] = [
    "账务流水号",
    "业务流水号",
    "商户订单号",
    "商品名称",
    "发生时间",
    "对方账号",
    "收入金额（+元）",
    "支出金额（-元）",
    "账户余额（元）",
    "交易渠道",
    "业务类型",
    "备注",
];

/// `alipay.data.dataservice.bill.downloadurl.query`.
pub(super) fn url(sandbox: &Sandbox, call: &Call, fault: Option<&Fault>) -> Reply {
    let kind = optional(&call.biz, "bill_type", 20)?.ok_or_else(|| invalid("bill_type缺失"))?;
    let (trade, name) = match kind {
        "trade" => (true, "业务明细"),
        "signcustomer" => (false, "账务明细"),
        _ => return Err(invalid("沙箱的bill_type只支持trade和signcustomer")),
    };
    let asked = optional(&call.biz, "bill_date", 15)?.ok_or_else(|| invalid("bill_date缺失"))?;
    let now_ms = sandbox.now_ms();
    let days = asked_days(asked, day(now_ms))?;
    let file = {
        let books = sandbox.books();
        let mut found = lines_of_days(&books, Channel::Alipay, &days);
        if found.is_empty() {
            return Err(absent());
        }
        twist(&mut found, fault);
        let (details, summary) = if trade {
            (
                trade_text(sandbox, &days, &found),
                trade_summary(sandbox, &days, &found),
            )
        } else {
            (
                account_text(sandbox, &days, &found),
                account_summary(sandbox, &days, &found),
            )
        };
        let stem = format!("{}_{}", account(sandbox), asked.replace('-', ""));
        zip(&[
            (format!("{stem}_{name}.csv"), details),
            (format!("{stem}_{name}(汇总).csv"), summary),
        ])
    };
    let file = cut(file, fault);
    let token = random_hex(32);
    sandbox
        .books()
        .files
        .insert(token.clone(), (file, now_ms + LINK_LIFE_MS));
    let url = format!("{}/_alipay/bill/{token}", sandbox.base_url());
    Ok(success(json!({ "bill_download_url": url })))
}

/// The word for a bill that is not there, or not yet.
pub(super) fn absent() -> Refusal {
    Refusal::business("isp.bill_not_exist", "入参账单类型账单不存在")
}

/// The days of `yyyy-MM-dd` or `yyyy-MM`; none of them in the future.
fn asked_days(asked: &str, today: Date) -> Result<Vec<Date>, Refusal> {
    let wrong = || invalid("bill_date应为yyyy-MM-DD或yyyy-MM，且不晚于今天");
    if let Some(day) = parse_day(asked) {
        return if day <= today {
            Ok(vec![day])
        } else {
            Err(wrong())
        };
    }
    let first = parse_day(&format!("{asked}-01"))
        .filter(|first| *first <= today)
        .ok_or_else(wrong)?;
    let days = first.series(jiff::Span::new().days(1));
    Ok(days
        .take_while(|day| day.month() == first.month() && *day <= today)
        .collect())
}

/// `GET /_alipay/bill/{token}`: unsigned, short-lived.
pub(crate) async fn download(
    State(sandbox): State<Arc<Sandbox>>,
    Path(token): Path<String>,
) -> Response {
    let now_ms = sandbox.now_ms();
    let found = sandbox.books().files.get(&token).cloned();
    match found.filter(|(_, ends_at_ms)| now_ms < *ends_at_ms) {
        Some((file, _)) => ([(header::CONTENT_TYPE, "application/zip")], file).into_response(),
        None => (StatusCode::FORBIDDEN, "链接已失效").into_response(),
    }
}

/// The 20 digits that stand for the merchant's account in files.
fn account(sandbox: &Sandbox) -> String {
    format!("{}0156", sandbox.config.alipay.seller_id)
}

fn head(sandbox: &Sandbox, days: &[Date], title: &str, list: &str) -> String {
    let first = days
        .first()
        .map(|day| day.strftime("%Y年%m月%d日").to_string())
        .unwrap_or_default();
    let after = days.last().and_then(|day| day.tomorrow().ok());
    let after = after
        .map(|day| day.strftime("%Y年%m月%d日").to_string())
        .unwrap_or_default();
    format!(
        "#{title}\r\n#账号：[{}]\r\n#起始日期：[{first} 00:00:00]   终止日期：[{after} 00:00:00]\r\n#{list}\r\n",
        account(sandbox)
    )
}

fn row(cells: &[String]) -> String {
    let cells: Vec<String> = cells
        .iter()
        .map(|cell| format!("{}\t", cell.replace([',', '\r', '\n'], " ")))
        .collect();
    cells.join(",") + "\r\n"
}

fn trade_text(sandbox: &Sandbox, days: &[Date], lines: &[Line<'_>]) -> String {
    let mut text = head(
        sandbox,
        days,
        "支付宝业务明细查询",
        "-----------------------------------------业务明细列表----------------------------------------",
    );
    text += &(TRADE_COLUMNS.join(",") + "\r\n");
    for line in lines {
        let trade = line.trade;
        let signed = |fen: u64, negative: bool| {
            let minus = if negative && fen > 0 { "-" } else { "" };
            format!("{minus}{}", yuan(fen))
        };
        let amount = signed(line.amount_fen, line.refund.is_some());
        let fee = signed(line.fee_fen, line.refund.is_none());
        let kind = if line.refund.is_some() {
            "退款"
        } else {
            "交易"
        };
        let none = "0.00";
        let request_no = line
            .refund
            .map_or("", |refund| refund.out_refund_no.as_str());
        let note = line.refund.map_or("", |refund| refund.reason.as_str());
        let cells = [
            line.transaction_id,
            &trade.key.out_trade_no,
            kind,
            &trade.description,
            &plain(trade.created_at_ms),
            &plain(line.at_ms),
            "",
            "",
            "",
            "",
            "贾*（jia***@example.test）",
            &amount,
            &amount,
            none,
            none,
            none,
            none,
            none,
            "",
            none,
            none,
            request_no,
            &fee,
            none,
            note,
        ];
        text += &row(&cells.map(str::to_owned));
    }
    let (paid, returned) = sums(lines);
    let refunds = lines.iter().filter(|line| line.refund.is_some()).count();
    text + "#-----------------------------------------业务明细列表结束------------------------------------\r\n"
        + &format!(
            "#交易合计：{}笔，商家实收共{}元，商家优惠共0.00元\r\n#退款合计：{refunds}笔，商家实收退款共-{}元，商家优惠退款共0.00元\r\n#导出时间：[{}]\r\n",
            lines.len() - refunds,
            yuan(paid),
            yuan(returned),
            sandbox_time(sandbox)
        )
}

fn sandbox_time(sandbox: &Sandbox) -> String {
    plain(sandbox.now_ms())
}

/// Paid and returned, in fen.
fn sums(lines: &[Line<'_>]) -> (u64, u64) {
    sums_of(lines, |line| line.amount_fen)
}

/// What payments and what refunds make together.
fn sums_of(lines: &[Line<'_>], of: impl Fn(&Line<'_>) -> u64) -> (u64, u64) {
    let mut sums = (0, 0);
    for line in lines {
        let sum = if line.refund.is_some() {
            &mut sums.1
        } else {
            &mut sums.0
        };
        *sum += of(line);
    }
    sums
}

fn trade_summary(sandbox: &Sandbox, days: &[Date], lines: &[Line<'_>]) -> String {
    let (paid, returned) = sums(lines);
    let refunds = lines.iter().filter(|line| line.refund.is_some()).count();
    let net = signed_difference(paid, returned);
    let (fees, fees_back) = sums_of(lines, |line| line.fee_fen);
    let (got, given) = sums_of(lines, |line| line.net_fen());
    let cells = [
        "合计".to_owned(),
        String::new(),
        (lines.len() - refunds).to_string(),
        refunds.to_string(),
        net.clone(),
        net.clone(),
        yuan(0),
        yuan(0),
        signed_difference(fees_back, fees),
        yuan(0),
        signed_difference(got, given),
    ];
    head(
        sandbox,
        days,
        "支付宝业务汇总查询",
        "-----------------------------------------业务汇总列表----------------------------------------",
    ) + "门店编号,门店名称,交易订单总笔数,退款订单总笔数,订单金额（元）,商家实收（元）,支付宝优惠（元）,商家优惠（元）,服务费（元）,分润（元）,实收净额（元）\r\n"
        + &row(&cells)
        + "#-----------------------------------------业务汇总列表结束------------------------------------\r\n"
        + &format!("#导出时间：[{}]\r\n", sandbox_time(sandbox))
}

fn signed_difference(plus: u64, minus: u64) -> String {
    if plus >= minus {
        yuan(plus - minus)
    } else {
        format!("-{}", yuan(minus - plus))
    }
}

fn account_text(sandbox: &Sandbox, days: &[Date], lines: &[Line<'_>]) -> String {
    let mut text = head(
        sandbox,
        days,
        "支付宝账务明细查询",
        "-----------------------------------------账务明细列表----------------------------------------",
    );
    text += &(ACCOUNT_COLUMNS.join(",") + "\r\n");
    let (mut plus, mut minus) = (0_u64, 0_u64);
    for (number, line) in lines.iter().enumerate() {
        let (income, outgo, kind, note) = match line.refund {
            None => {
                plus += line.amount_fen;
                (yuan(line.amount_fen), String::new(), "在线支付", "")
            }
            Some(refund) => {
                minus += line.amount_fen;
                (
                    String::new(),
                    format!("-{}", yuan(line.amount_fen)),
                    "交易退款",
                    refund.reason.as_str(),
                )
            }
        };
        text += &row(&[
            format!("{}{number:04}", line.transaction_id),
            line.transaction_id.to_owned(),
            line.trade.key.out_trade_no.clone(),
            line.trade.description.clone(),
            plain(line.at_ms),
            "贾*(jia***@example.test)".to_owned(),
            income,
            outgo,
            signed_difference(plus, minus),
            "支付宝".to_owned(),
            kind.to_owned(),
            note.to_owned(),
        ]);
    }
    text + "#-----------------------------------------账务明细列表结束------------------------------------\r\n"
        + &format!("#导出时间：[{}]\r\n", sandbox_time(sandbox))
}

fn account_summary(sandbox: &Sandbox, days: &[Date], lines: &[Line<'_>]) -> String {
    let (plus, minus) = sums(lines);
    let refunds = lines.iter().filter(|line| line.refund.is_some()).count();
    head(
        sandbox,
        days,
        "支付宝账务汇总查询",
        "-----------------------------------------账务汇总列表----------------------------------------",
    ) + "业务类型,收入笔数,收入金额（+元）,支出笔数,支出金额（-元）,总金额（元）\r\n"
        + &row(&[
            "合计".to_owned(),
            (lines.len() - refunds).to_string(),
            yuan(plus),
            refunds.to_string(),
            format!("-{}", yuan(minus)),
            signed_difference(plus, minus),
        ])
        + &format!("#导出时间：[{}]\r\n", sandbox_time(sandbox))
}

/// A zip whose entry names are raw GBK (no UTF-8 flag), as Alipay's are. The `zip` crate writes
/// UTF-8 names only.
pub(crate) fn zip(entries: &[(String, String)]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, text) in entries {
        let (name, _, _) = GBK.encode(name);
        let (text, _, _) = GBK.encode(text);
        let mut crc = Crc::new();
        crc.update(&text);
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        let packed = encoder
            .write_all(&text)
            .and_then(|()| encoder.finish())
            .unwrap_or_default();
        let mut common = Vec::new();
        for half in [20_u16, 0, 8, 0, 0x21] {
            common.extend(half.to_le_bytes());
        }
        for word in [crc.sum(), size(packed.len()), size(text.len())] {
            common.extend(word.to_le_bytes());
        }
        common.extend(u16::try_from(name.len()).unwrap_or_default().to_le_bytes());
        common.extend([0, 0]);
        let offset = size(file.len());
        file.extend(b"PK\x03\x04");
        file.extend(&common);
        file.extend(name.as_ref());
        file.extend(packed);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_ref());
    }
    let start = size(file.len());
    let count = u16::try_from(entries.len())
        .unwrap_or_default()
        .to_le_bytes();
    file.extend(&directory);
    file.extend(b"PK\x05\x06\x00\x00\x00\x00");
    file.extend(count);
    file.extend(count);
    file.extend(size(directory.len()).to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0, 0]);
    file
}

fn size(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or_default()
}
