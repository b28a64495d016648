//! How long bills of a given length take to be read, and how much memory.
//!
//! `cargo run --release -p jiaoyi-channels --example read_bills -- LINES FOLDER` writes a bill of each
//! channel into the folder, which has to be there, and reads it; before that one with a tenth of the
//! lines, so that memory can be compared.
#![expect(clippy::print_stdout, reason = "an example prints")]

use encoding_rs::GBK;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiaoyi_channels::BillReader;
use jiaoyi_domain::bill::{BillName, BillSort};
use jiaoyi_domain::channel::ChannelCode;
use jiaoyi_domain::time::Date;
use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

type Done = Result<(), Box<dyn Error>>;

const MERCHANT: &str = "802310048993424";
const DAY: Date = Date::constant(2026, 11, 21);
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

fn wechat(lines: u64, file: File) -> Done {
    let mut out = GzEncoder::new(BufWriter::new(file), Compression::fast());
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
    out.finish()?.flush()?;
    Ok(())
}

fn alipay(lines: u64, file: File) -> Done {
    let mut zip = ZipWriter::new(BufWriter::new(file));
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
    zip.finish()?.flush()?;
    Ok(())
}

fn unionpay(lines: u64, file: File) -> Done {
    let mut zip = ZipWriter::new(BufWriter::new(file));
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
    zip.finish()?.flush()?;
    Ok(())
}

/// The most memory that this process has had, in MB; Linux only.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let megabytes = kilobytes.and_then(|text| text.parse::<u64>().ok());
    megabytes.map_or("?".to_owned(), |kilobytes| (kilobytes / 1_024).to_string())
}

fn read(channel: ChannelCode, lines: u64, path: &Path) -> Done {
    let name = BillName {
        channel,
        merchant: MERCHANT.to_owned(),
        sort: BillSort::Trade,
        day: DAY,
    };
    let megabytes = std::fs::metadata(path)?.len() / 1_000_000;
    let start = Instant::now();
    let mut reader = BillReader::open(name, File::open(path)?)?;
    for line in &mut reader {
        line?;
    }
    let seconds = start.elapsed().as_secs_f32();
    let (code, totals) = (channel.code(), reader.totals());
    println!(
        "{code}: {lines} lines, {megabytes} MB packed, read in {seconds:.1} s; most memory so far \
         {} MB; paid {}, fees {}",
        memory(),
        totals.paid,
        totals.fees
    );
    Ok(())
}

fn main() -> Done {
    let mut arguments = std::env::args().skip(1);
    let (Some(lines), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("read_bills LINES FOLDER".into());
    };
    let lines: u64 = lines.parse()?;
    for lines in [lines / 10, lines] {
        use ChannelCode::{Alipay, Unionpay, Wechat};
        for (channel, write) in [
            (Wechat, wechat as fn(u64, File) -> Done),
            (Alipay, alipay),
            (Unionpay, unionpay),
        ] {
            let path = Path::new(&folder).join(format!("{}.{lines}.bill", channel.code()));
            write(lines, File::create(&path)?)?;
            read(channel, lines, &path)?;
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}
