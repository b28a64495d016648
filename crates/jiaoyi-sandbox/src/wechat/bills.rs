//! Answers for: WeChat's bill files: UTF-8 with BOM, CRLF, a back-tick before every data cell, plain
//! or GZIP, with the SHA-1 of the plain file.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::civil::Date;
use serde_json::json;

use super::check::param_error;
use super::{Answer, Call, Reply, orders, refunds};
use crate::bills::{Line, cut, lines_of_days, twist};
use crate::books::{Channel, RefundState};
use crate::crypto::{random_hex, sha1_hex};
use crate::faults::Fault;
use crate::money::yuan;
use crate::server::Sandbox;
use crate::times::{MINUTE_MS, day, parse_day, plain};

/// How long a download link works.
const LINK_LIFE_MS: i64 = 5 * MINUTE_MS;
/// How far back bills go.
const KEPT_DAYS: i32 = 93;

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

/// `GET /v3/bill/tradebill`.
pub(super) fn trade_bill(sandbox: &Sandbox, call: &Call, fault: Option<&Fault>) -> Reply {
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
        let mut lines = lines_of_days(&books, Channel::Wechat, &[asked]);
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
        twist(&mut lines, fault);
        let rate = format!("{}.{:02}%", books.fee_bp / 100, books.fee_bp % 100);
        trade_text(sandbox, kind, &lines, &rate)
    };
    offer(sandbox, call, &text, fault)
}

/// `GET /v3/bill/fundflowbill`.
pub(super) fn fund_flow_bill(sandbox: &Sandbox, call: &Call, fault: Option<&Fault>) -> Reply {
    let asked = bill_date(sandbox, call)?;
    let account = call.parameter("account_type").unwrap_or("BASIC");
    if !["BASIC", "OPERATION", "FEES"].contains(&account) {
        return Err(param_error(
            "参数错误：\"account_type\"只能是BASIC、OPERATION或FEES",
        ));
    }
    let text = {
        let books = sandbox.books();
        let mut lines = lines_of_days(&books, Channel::Wechat, &[asked]);
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
        twist(&mut lines, fault);
        fund_text(sandbox, &lines)
    };
    offer(sandbox, call, &text, fault)
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
fn offer(sandbox: &Sandbox, call: &Call, text: &str, fault: Option<&Fault>) -> Reply {
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
    let file = cut(file, fault);
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
            // npm wechatpay-node-v3 takes a bill only as plain text, so that is what WeChat must send.
            content_type: match call.parameter("tartype") {
                None => "text/plain",
                Some(_) => "application/octet-stream",
            },
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

fn trade_text(sandbox: &Sandbox, kind: Kind, lines: &[Line<'_>], rate: &str) -> String {
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
    let (mut paid, mut returned, mut fees, mut fees_back) = (0_u64, 0_u64, 0_u64, 0_u64);
    for line in lines {
        if line.refund.is_some() {
            returned += line.amount_fen;
            fees_back += line.fee_fen;
        } else {
            paid += line.amount_fen;
            fees += line.fee_fen;
        }
        text += &data_row(&trade_row(sandbox, kind, line, rate));
    }
    let count = lines.len().to_string();
    let (paid, returned) = (yuan(paid), yuan(returned));
    let fee = if fees < fees_back {
        fee_text(fees_back - fees, true)
    } else {
        fee_text(fees - fees_back, false)
    };
    let (names, sums): (Vec<&str>, Vec<String>) = if kind == Kind::Success {
        let names = vec!["总交易单数", "应结订单总金额", "手续费总金额", "订单总金额"];
        (names, vec![count, paid.clone(), fee, paid])
    } else {
        let none = yuan(0);
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

/// With five decimals, negative when the channel gives it back.
fn fee_text(fen: u64, back: bool) -> String {
    let minus = if back && fen > 0 { "-" } else { "" };
    format!("{minus}{}000", yuan(fen))
}

fn trade_row(sandbox: &Sandbox, kind: Kind, line: &Line<'_>, rate: &str) -> Vec<String> {
    let Line {
        at_ms,
        trade,
        transaction_id,
        refund,
        amount_fen,
        fee_fen,
    } = line;
    let none = || yuan(0);
    let (state, settled) = match refund {
        None => ("SUCCESS", yuan(*amount_fen)),
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
                yuan(*amount_fen),
                none(),
                "ORIGINAL".to_owned(),
                refunds::state_name(refund.state).to_owned(),
            ],
        });
    }
    cells.extend([
        trade.description.clone(),
        trade.attach.clone(),
        fee_text(*fee_fen, refund.is_some()),
        rate.to_owned(),
    ]);
    cells.push(settled);
    if kind != Kind::Success {
        cells.push(refund.map_or_else(none, |_| yuan(*amount_fen)));
    }
    cells.push(String::new());
    cells
}

fn fund_text(sandbox: &Sandbox, lines: &[Line<'_>]) -> String {
    let mut text = FUND_COLUMNS.join(",") + "\r\n";
    let (mut income, mut outgo) = ((0_u64, 0_u64), (0_u64, 0_u64));
    let mut balance: u64 = 0;
    for line in lines {
        let voucher = line
            .refund
            .map_or(&line.trade.key.out_trade_no, |refund| &refund.out_refund_no);
        let number = line
            .refund
            .map_or(line.transaction_id, |refund| refund.refund_id.as_str());
        let (amount, fee) = (line.amount_fen, line.fee_fen);
        let moves = match line.refund {
            None => [("交易", true, amount), ("扣除交易手续费", false, fee)],
            Some(_) => [("退款", false, amount), ("退还交易手续费", true, fee)],
        };
        for (name, incoming, fen) in moves {
            if fen == 0 {
                continue;
            }
            let side = if incoming { &mut income } else { &mut outgo };
            *side = (side.0 + 1, side.1 + fen);
            balance = if incoming {
                balance + fen
            } else {
                balance.saturating_sub(fen)
            };
            text += &data_row(&[
                plain(line.at_ms),
                number.to_owned(),
                format!("7{number}"),
                name.to_owned(),
                name.to_owned(),
                if incoming { "收入" } else { "支出" }.to_owned(),
                yuan(fen),
                yuan(balance),
                sandbox.config.wechat.mchid.clone(),
                String::new(),
                voucher.clone(),
            ]);
        }
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
