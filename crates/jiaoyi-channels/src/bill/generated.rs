//! Bills of any length: every payment of 400.00 yuan costs 2.40.
//!
//! Also part of the example `read_bills`, which is no test.

use encoding_rs::GBK;
use jiaoyi_domain::time::Date;
use std::io::{Result, Seek, Write};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

pub const MERCHANT: &str = "802310048993424";
pub const DAY: Date = Date::constant(2026, 11, 21);
const WECHAT_HEAD: &str = "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注";
const WECHAT_TOTALS: &str =
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额";
const ALIPAY_NOTES: &str = "#支付宝查询\r\n#账号：[8023100489934240156]\r\n#起始日期：[2026年11月21日 00:00:00]   终止日期：[2026年11月22日 00:00:00]\r\n#----列表----\r\n";
const ALIPAY_HEAD: &str = "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注";

/// So many times an amount, in yuan. Every payment is 400.00 and costs 2.40.
fn yuan(lines: u64, fen: u64) -> String {
    let sum = lines * fen;
    format!("{}.{:02}", sum / 100, sum % 100)
}

fn time(line: u64) -> String {
    let second = line % 86_400;
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{hour:02}:{minute:02}:{:02}", second % 60)
}

/// WeChat Pay's, not packed.
pub fn wechat(lines: u64, mut out: impl Write) -> Result<()> {
    write!(out, "\u{feff}{WECHAT_HEAD}\r\n")?;
    for line in 0..lines {
        let time = time(line);
        write!(
            out,
            "`{DAY} {time},`wxfdc955f7104ad557,`{MERCHANT},`0,`,`42000061203213074{line:010},\
             `JA0{line:018}8,`oZWaCKXip5njeEiloC4oeOV1TTsk,`JSAPI,`SUCCESS,`OTHERS,`CNY,`400.00,\
             `0.00,`0,`0,`0.00,`0.00,`,`,`城乡居民医保缴费,`,`2.40000,`0.60%,`400.00,`0.00,`\r\n"
        )?;
    }
    let (paid, fees) = (yuan(lines, 40_000), yuan(lines, 240));
    let totals = format!("`{lines},`{paid},`0.00,`0.00,`{fees}000,`{paid},`0.00");
    write!(out, "{WECHAT_TOTALS}\r\n{totals}\r\n")?;
    out.flush()
}

/// Alipay's, a zip whose names are in UTF-8.
pub fn alipay(lines: u64, file: impl Write + Seek) -> Result<()> {
    let mut zip = ZipWriter::new(file);
    let options = SimpleFileOptions::default().compression_level(Some(1));
    let gbk = |text: &str| GBK.encode(text).0.into_owned();
    zip.start_file("业务明细.csv", options)?;
    zip.write_all(&gbk(&format!("{ALIPAY_NOTES}{ALIPAY_HEAD}\r\n")))?;
    for line in 0..lines {
        let time = time(line);
        let row = format!(
            "20261121220014000{line:011}\t,JA0{line:018}8\t,交易\t,城乡居民医保缴费\t,\
             {DAY} {time}\t,{DAY} {time}\t,\t,\t,\t,\t,贾*（jia***@example.test）\t,400.00\t,\
             400.00\t,0.00\t,0.00\t,0.00\t,0.00\t,0.00\t,\t,0.00\t,0.00\t,\t,-2.40\t,0.00\t,\t\r\n"
        );
        zip.write_all(&gbk(&row))?;
    }
    let (paid, fees) = (yuan(lines, 40_000), yuan(lines, 240));
    zip.write_all(&gbk(&format!(
        "#----列表结束----\r\n#交易合计：{lines}笔，商家实收共{paid}元，商家优惠共0.00元\r\n\
         #退款合计：0笔，商家实收退款共0.00元，商家优惠退款共0.00元\r\n"
    )))?;
    zip.start_file("业务明细(汇总).csv", options)?;
    zip.write_all(&gbk(&format!(
        "{ALIPAY_NOTES}门店编号,交易订单总笔数,退款订单总笔数,订单金额（元）,商家实收（元）,服务费（元）\r\n\
         合计\t,{lines}\t,0\t,{paid}\t,{paid}\t,-{fees}\t\r\n"
    )))?;
    zip.finish()?.flush()
}

/// UnionPay's, a zip.
pub fn unionpay(lines: u64, file: impl Write + Seek) -> Result<()> {
    let mut zip = ZipWriter::new(file);
    let options = SimpleFileOptions::default().compression_level(Some(1));
    zip.start_file("INN26112188ZM_1", options)?;
    for line in 0..lines {
        let time = time(line).replace(':', "");
        let columns = format!(
            "S22 88022900    00049993    190624 1121{time} 622609******0048    000000040000 4899 07 \
             2026112100000{line:08} 01 JA0{line:018}8"
        );
        // Columns 16 and 17 begin at 166, column 28 (the merchant) at 293.
        let money = "D000000000240 C000000039760 0001";
        write!(zip, "{columns:<166}{money:<127}{MERCHANT:<314}\r\n")?;
    }
    let (paid, fees, net) = (yuan(lines, 40_000), yuan(lines, 240), yuan(lines, 39_760));
    zip.start_file("RD1", options)?;
    let sums = format!("清算日期:20261121\r\n总计 {lines} 0.00 {paid} {fees} 0.00 0.00 {net}\r\n");
    zip.write_all(&GBK.encode(&sums).0)?;
    zip.finish()?.flush()
}
