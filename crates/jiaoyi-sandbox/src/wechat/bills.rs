//! Answers for: WeChat's bill files: UTF-8 with BOM, CRLF, a back-tick before every data cell, plain
//! or GZIP, with the SHA-1 of the plain file.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::civil::Date;
use serde_json::json;

use super::check::param_error;
use super::{Answer, Call, Reply, orders, refunds};
use crate::books::{Books, Channel, Refund, RefundState, Trade};
use crate::crypto::{random_hex, sha1_hex};
use crate::money::yuan;
use crate::server::Sandbox;
use crate::times::{DAY_MS, MINUTE_MS, day, parse_day, plain};

/// How long a download link works.
const LINK_LIFE_MS: i64 = 5 * MINUTE_MS;
/// How far back bills go.
const KEPT_DAYS: i32 = 93;
const FEE: &str = "0.00000";
const RATE: &str = "0.00%";

const COMMON_COLUMNS: [&str; 14] = [
    "交易时间",
    "公众账号ID",
    "商户号",
    "特约商户号",
    "设备号",
    "微信订单号",
    "商户订单号",
    "用户标识",
    "交易类型",
    "交易状态",
    "付款银行",
    "货币种类",
    "应结订单金额",
    "代金券金额",
];
const REFUND_COLUMNS: [&str; 6] = [
    "微信退款单号",
    "商户退款单号",
    "退款金额",
    "充值券退款金额",
    "退款类型",
    "退款状态",
];
const TAIL_COLUMNS: [&str; 4] = ["商品名称", "商户数据包", "手续费", "费率"];
const ALL_SUMMARY: [&str; 7] = [
    "总交易单数",
    "应结订单总金额",
    "退款总金额",
    "充值券退款总金额",
    "手续费总金额",
    "订单总金额",
    "申请退款总金额",
];
const FUND_COLUMNS: [&str; 11] = [
    "记账时间",
    "微信支付业务单号",
    "资金流水单号",
    "业务名称",
    "业务类型",
    "收支类型",
    "收支金额(元)",
    "账户结余(元)",
    "资金变更提交申请人",
    "备注",
    "业务凭证号",
];
const FUND_SUMMARY: [&str; 5] = [
    "资金流水总笔数",
    "收入笔数",
    "收入金额",
    "支出笔数",
    "支出金额",
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    All,
    Success,
    Refund,
}

/// A payment or a refund of the bill's day, in the order in which they happened.
pub(crate) struct Line<'a> {
    pub(crate) at_ms: i64,
    pub(crate) trade: &'a Trade,
    pub(crate) transaction_id: &'a str,
    pub(crate) refund: Option<&'a Refund>,
}

/// Whether something that happened at `at_ms` stands in the bill of `asked`. Today's trades stand
/// in yesterday's bill too, so that a demo need not wait for tomorrow.
pub(crate) fn in_bill(asked: Date, at_ms: i64, now_ms: i64) -> bool {
    let happened = day(at_ms);
    happened == asked || (happened == day(now_ms) && asked == day(now_ms - DAY_MS))
}

/// Payments by their time and refunds by the time they were requested.
pub(crate) fn lines(books: &Books, channel: Channel, asked: Date, now_ms: i64) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    for trade in books
        .trades
        .values()
        .filter(|trade| trade.key.channel == channel)
    {
        let Some(payment) = &trade.payment else {
            continue;
        };
        let transaction_id = payment.transaction_id.as_str();
        if in_bill(asked, payment.at_ms, now_ms) {
            lines.push(Line {
                at_ms: payment.at_ms,
                trade,
                transaction_id,
                refund: None,
            });
        }
        for refund in &trade.refunds {
            if in_bill(asked, refund.requested_at_ms, now_ms) {
                let at_ms = refund.requested_at_ms;
                lines.push(Line {
                    at_ms,
                    trade,
                    transaction_id,
                    refund: Some(refund),
                });
            }
        }
    }
    lines.sort_by_key(|line| line.at_ms);
    lines
}

/// `GET /v3/bill/tradebill`.
pub(super) fn trade_bill(sandbox: &Sandbox, call: &Call, contradict: bool) -> Reply {
    let asked = bill_date(sandbox, call)?;
    let kind = match call.parameter("bill_type").unwrap_or("ALL") {
        "ALL" => Kind::All,
        "SUCCESS" => Kind::Success,
        "REFUND" => Kind::Refund,
        _ => {
            return Err(param_error(
                "参数错误：\"bill_type\"只能是ALL、SUCCESS或REFUND",
            ));
        }
    };
    let text = {
        let books = sandbox.books();
        let mut lines = lines(&books, Channel::Wechat, asked, sandbox.now_ms());
        lines.retain(|line| match kind {
            Kind::All => true,
            Kind::Success => line.refund.is_none(),
            Kind::Refund => line.refund.is_some(),
        });
        if lines.is_empty() {
            return Err(Answer::refusal(
                400,
                "NO_STATEMENT_EXIST",
                "请求的账单文件不存在",
            ));
        }
        if contradict {
            lines.remove(0);
        }
        trade_text(sandbox, kind, &lines)
    };
    offer(sandbox, call, &text)
}

/// `GET /v3/bill/fundflowbill`.
pub(super) fn fund_flow_bill(sandbox: &Sandbox, call: &Call, contradict: bool) -> Reply {
    let asked = bill_date(sandbox, call)?;
    let account = call.parameter("account_type").unwrap_or("BASIC");
    if !["BASIC", "OPERATION", "FEES"].contains(&account) {
        return Err(param_error(
            "参数错误：\"account_type\"只能是BASIC、OPERATION或FEES",
        ));
    }
    let text = {
        let books = sandbox.books();
        let mut lines = lines(&books, Channel::Wechat, asked, sandbox.now_ms());
        lines.retain(|line| {
            line.refund
                .is_none_or(|refund| refund.state == RefundState::Success)
        });
        if lines.is_empty() || account != "BASIC" {
            return Err(Answer::refusal(
                400,
                "NO_STATEMENT_EXIST",
                "请求的账单文件不存在",
            ));
        }
        if contradict {
            lines.remove(0);
        }
        fund_text(sandbox, &lines)
    };
    offer(sandbox, call, &text)
}

fn bill_date(sandbox: &Sandbox, call: &Call) -> Result<Date, Answer> {
    let text = call
        .parameter("bill_date")
        .ok_or_else(|| param_error("参数错误：\"bill_date\"缺失"))?;
    let asked =
        parse_day(text).ok_or_else(|| param_error("参数错误：\"bill_date\"格式应为yyyy-MM-DD"))?;
    let age_days = day(sandbox.now_ms())
        .since(asked)
        .map_or(0, |span| span.get_days());
    if !(0..=KEPT_DAYS).contains(&age_days) {
        return Err(param_error("参数错误：\"bill_date\"只能是三个月内的日期"));
    }
    if call
        .parameter("tar_type")
        .is_some_and(|kind| kind != "GZIP")
    {
        return Err(param_error("参数错误：\"tar_type\"只能是GZIP"));
    }
    Ok(asked)
}

/// Keeps the file and answers where it can be fetched.
fn offer(sandbox: &Sandbox, call: &Call, text: &str) -> Reply {
    let mut file = b"\xef\xbb\xbf".to_vec();
    file.extend_from_slice(text.as_bytes());
    let hash = sha1_hex(&file);
    let zipped = call.parameter("tar_type") == Some("GZIP");
    if zipped {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        file = encoder
            .write_all(&file)
            .and_then(|()| encoder.finish())
            .map_err(|_| Answer::refusal(500, "SYSTEM_ERROR", "账单压缩失败"))?;
    }
    let token = random_hex(32);
    let ends_at_ms = sandbox.now_ms() + LINK_LIFE_MS;
    sandbox
        .books()
        .files
        .insert(token.clone(), (file, ends_at_ms));
    let kind = if zipped { "&tartype=gzip" } else { "" };
    Ok(Answer::json(
        200,
        &json!({
            "hash_type": "SHA1",
            "hash_value": hash,
            "download_url": format!("{}/v3/billdownload/file?token={token}{kind}", sandbox.base_url()),
        }),
    ))
}

/// `GET /v3/billdownload/file`: signed by the merchant, answered without a signature.
pub(super) fn file(sandbox: &Sandbox, call: &Call) -> Reply {
    let now_ms = sandbox.now_ms();
    let books = sandbox.books();
    let found = call
        .parameter("token")
        .and_then(|token| books.files.get(token));
    match found.filter(|(_, ends_at_ms)| now_ms < *ends_at_ms) {
        Some((file, _)) => Ok(Answer {
            status: 200,
            body: file.clone(),
            content_type: "application/octet-stream",
            signed: false,
        }),
        None => Err(Answer::refusal(
            400,
            "PARAM_ERROR",
            "下载地址已失效，请重新申请账单",
        )),
    }
}

fn data_row(cells: &[String]) -> String {
    let cells: Vec<String> = cells
        .iter()
        .map(|cell| format!("`{}", cell.replace(['\r', '\n'], " ")))
        .collect();
    cells.join(",") + "\r\n"
}

fn trade_text(sandbox: &Sandbox, kind: Kind, lines: &[Line<'_>]) -> String {
    let mut header: Vec<&str> = COMMON_COLUMNS.to_vec();
    if kind == Kind::Refund {
        header.extend(["退款申请时间", "退款成功时间"]);
    }
    if kind != Kind::Success {
        header.extend(REFUND_COLUMNS);
    }
    header.extend(TAIL_COLUMNS);
    header.push("订单金额");
    if kind != Kind::Success {
        header.push("申请退款金额");
    }
    header.push("费率备注");
    let mut text = header.join(",") + "\r\n";
    let (mut paid, mut returned) = (0_u64, 0_u64);
    for line in lines {
        match line.refund {
            Some(refund) => returned += refund.amount_fen,
            None => paid += line.trade.amount_fen,
        }
        text += &data_row(&trade_row(sandbox, kind, line));
    }
    let count = lines.len().to_string();
    let (paid, returned) = (yuan(paid), yuan(returned));
    let (names, sums): (Vec<&str>, Vec<String>) = if kind == Kind::Success {
        let names = vec!["总交易单数", "应结订单总金额", "手续费总金额", "订单总金额"];
        (names, vec![count, paid.clone(), FEE.to_owned(), paid])
    } else {
        let none = yuan(0);
        let fee = FEE.to_owned();
        (
            ALL_SUMMARY.to_vec(),
            vec![
                count,
                paid.clone(),
                returned.clone(),
                none,
                fee,
                paid,
                returned,
            ],
        )
    };
    text + &names.join(",") + "\r\n" + &data_row(&sums)
}

fn trade_row(sandbox: &Sandbox, kind: Kind, line: &Line<'_>) -> Vec<String> {
    let Line {
        at_ms,
        trade,
        transaction_id,
        refund,
    } = line;
    let none = || yuan(0);
    let (state, settled) = match refund {
        None => ("SUCCESS", yuan(trade.amount_fen)),
        Some(_) => ("REFUND", none()),
    };
    let identity = &sandbox.config.wechat;
    let mut cells = vec![
        plain(*at_ms),
        identity.appid.clone(),
        identity.mchid.clone(),
        "0".to_owned(),
        String::new(),
        (*transaction_id).to_owned(),
        trade.key.out_trade_no.clone(),
        orders::openid(trade),
        orders::trade_type(trade.product).to_owned(),
        state.to_owned(),
        "OTHERS".to_owned(),
        "CNY".to_owned(),
        settled.clone(),
        none(),
    ];
    if let (Kind::Refund, Some(refund)) = (kind, refund) {
        cells.push(plain(refund.requested_at_ms));
        cells.push(refund.done_at_ms.map(plain).unwrap_or_default());
    }
    if kind != Kind::Success {
        cells.extend(match refund {
            None => [
                "0".to_owned(),
                "0".to_owned(),
                none(),
                none(),
                String::new(),
                String::new(),
            ],
            Some(refund) => [
                refund.refund_id.clone(),
                refund.out_refund_no.clone(),
                yuan(refund.amount_fen),
                none(),
                "ORIGINAL".to_owned(),
                refunds::state_name(refund.state).to_owned(),
            ],
        });
    }
    cells.extend([
        trade.description.clone(),
        trade.attach.clone(),
        FEE.to_owned(),
        RATE.to_owned(),
    ]);
    cells.push(settled);
    if kind != Kind::Success {
        cells.push(refund.map_or_else(none, |refund| yuan(refund.amount_fen)));
    }
    cells.push(String::new());
    cells
}

fn fund_text(sandbox: &Sandbox, lines: &[Line<'_>]) -> String {
    let mut text = FUND_COLUMNS.join(",") + "\r\n";
    let (mut income, mut outgo) = ((0_u64, 0_u64), (0_u64, 0_u64));
    let mut balance: u64 = 0;
    for line in lines {
        let (name, kind, amount, note) = match line.refund {
            None => {
                income = (income.0 + 1, income.1 + line.trade.amount_fen);
                balance += line.trade.amount_fen;
                ("交易", "收入", line.trade.amount_fen, String::new())
            }
            Some(refund) => {
                outgo = (outgo.0 + 1, outgo.1 + refund.amount_fen);
                balance = balance.saturating_sub(refund.amount_fen);
                (
                    "退款",
                    "支出",
                    refund.amount_fen,
                    format!("退款总金额{}元", yuan(refund.amount_fen)),
                )
            }
        };
        let voucher = line
            .refund
            .map_or(&line.trade.key.out_trade_no, |refund| &refund.out_refund_no);
        let number = line
            .refund
            .map_or(line.transaction_id, |refund| refund.refund_id.as_str());
        text += &data_row(&[
            plain(line.at_ms),
            number.to_owned(),
            format!("7{number}"),
            name.to_owned(),
            name.to_owned(),
            kind.to_owned(),
            yuan(amount),
            yuan(balance),
            sandbox.config.wechat.mchid.clone(),
            note,
            voucher.clone(),
        ]);
    }
    let sums = [
        (income.0 + outgo.0).to_string(),
        income.0.to_string(),
        yuan(income.1),
        outgo.0.to_string(),
        yuan(outgo.1),
    ];
    text + &FUND_SUMMARY.join(",") + "\r\n" + &data_row(&sums)
}
