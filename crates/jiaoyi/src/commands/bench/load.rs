//! The load: payers, channels and askers in a process of their own. Closed loop (each waits for its
//! answer) or open loop (one every so often, whatever the answers; measured from when it was due).

use super::biller::{Call, read_calls};
use super::client::{Broken, Connection, Reply};
use super::person;
use crate::exit::{Exit, print};
use clap::{Args, ValueEnum};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LOCATION, SET_COOKIE};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What is done again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A payer looks up and starts a payment.
    Orders,
    /// A channel tells of a payment.
    Notices,
    /// Somebody looks up.
    Queries,
    /// An institution makes signed calls, each once.
    Calls,
    /// A bare JSON exchange.
    Bare,
    /// A page that is nothing but a refusal: what an overloaded server answers.
    Refusals,
}

#[derive(Args, Clone)]
pub struct LoadArgs {
    #[arg(value_enum)]
    kind: Kind,
    /// `127.0.0.1:port`.
    #[arg(long)]
    address: String,
    #[arg(long, default_value_t = 512)]
    payers: usize,
    /// The first person, or the first line of the file.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// At most so many.
    #[arg(long, default_value_t = u64::MAX)]
    count: u64,
    #[arg(long, default_value_t = 1e9)]
    seconds: f64,
    /// Open loop: so many a second.
    #[arg(long)]
    rate: Option<f64>,
    /// Signed notices.
    #[arg(long)]
    file: Option<PathBuf>,
    /// Name of the key that signed them.
    #[arg(long, default_value = "")]
    serial: String,
    /// Wait for the end of input afterwards, so that this process can still be counted.
    #[arg(long)]
    linger: bool,
    /// People there are, for queries.
    #[arg(long, default_value_t = 1)]
    people: u64,
}

/// A signed notice as the channel's side wrote it.
struct Notice {
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

fn notices(args: &LoadArgs) -> Result<Vec<Notice>, Exit> {
    let Some(path) = &args.file else {
        return Ok(Vec::new());
    };
    let text = std::fs::read_to_string(path).map_err(Exit::unexpected)?;
    let read = |line: &str| {
        let mut parts = line.splitn(4, '\t');
        let mut header = |name: &'static str| {
            let value = HeaderValue::from_str(parts.next()?).ok()?;
            Some((HeaderName::from_static(name), value))
        };
        let mut headers = vec![
            header("wechatpay-timestamp")?,
            header("wechatpay-nonce")?,
            header("wechatpay-signature")?,
        ];
        let name = HeaderName::from_static("wechatpay-serial");
        headers.push((name, HeaderValue::from_str(&args.serial).ok()?));
        Some(Notice {
            headers,
            body: Bytes::from(parts.next()?.to_owned()),
        })
    };
    Ok(text.lines().filter_map(read).collect())
}

/// The text as a form carries it.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn lookup_form(number: u64) -> String {
    let invented = person::person(number);
    format!(
        "relation=self&document_kind=id_card&name={}&document={}&pick={}&form_key={number:032x}",
        encoded(&invented.name),
        invented.id_number,
        person::REGION,
    )
}

/// The sealed reference that a look-up left in a cookie.
fn reference(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(SET_COOKIE);
    let mut texts = cookies.iter().filter_map(|value| value.to_str().ok());
    let text = texts.find_map(|text| text.strip_prefix("jy_bill="))?;
    let value = text.split(';').next()?;
    value.split('~').nth(1)
}

/// How one piece of work ended.
enum Ended {
    Good,
    /// Refused for now: 429 or 503.
    Shed,
    Failed,
}

/// What one worker saw, in microseconds.
#[derive(Default)]
struct Seen {
    second_us: Vec<u32>,
    good: u64,
    shed: u64,
    failed: u64,
    /// Good ones by the second in which they ended.
    by_second: Vec<u64>,
    /// The times of first answers by the second in which these came.
    first_by_second: Vec<Vec<u32>>,
    /// What was answered instead of what was hoped for, and how often.
    instead: BTreeMap<String, u64>,
}

impl Seen {
    /// A first answer came, so long after it was due.
    fn first(&mut self, due: Instant, begun: Instant) {
        let second = usize::try_from(begun.elapsed().as_secs()).unwrap_or(0);
        if self.first_by_second.len() <= second {
            self.first_by_second.resize_with(second + 1, Vec::new);
        }
        self.first_by_second[second].push(micros(due));
    }

    fn note(&mut self, instead: String) {
        *self.instead.entry(instead).or_default() += 1;
    }

    /// How a request ended that hopes for a status.
    fn ended(&mut self, reply: &Reply, status: u16) -> Ended {
        if reply.status == status {
            return Ended::Good;
        }
        self.note(reply.status.to_string());
        match reply.status {
            429 | 503 => Ended::Shed,
            _ => Ended::Failed,
        }
    }
}

fn micros(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX)
}

struct Load {
    args: LoadArgs,
    notices: Vec<Notice>,
    calls: Vec<Call>,
    next: AtomicU64,
    begun: Instant,
}

impl Load {
    /// The number of the next piece of work and when it is due; `None` at the end.
    async fn take(&self) -> Option<(u64, Instant)> {
        let place = self.next.fetch_add(1, Ordering::Relaxed);
        if place >= self.args.count {
            return None;
        }
        let end = self.begun + Duration::from_secs_f64(self.args.seconds);
        let due = match self.args.rate {
            Some(rate) => {
                let after = Duration::from_secs_f64(f64::from(u32::try_from(place).ok()?) / rate);
                let due = self.begun + after;
                tokio::time::sleep_until(due.into()).await;
                due
            }
            None => Instant::now(),
        };
        // Who found nobody to send the request before the end has given up and is not counted.
        let begins = due < end && Instant::now() < end;
        begins.then_some((self.args.first.wrapping_add(place), due))
    }

    async fn once(
        &self,
        connection: &mut Connection,
        number: u64,
        due: Instant,
        seen: &mut Seen,
    ) -> Result<Ended, Broken> {
        match self.args.kind {
            Kind::Orders => self.order(connection, number, due, seen).await,
            Kind::Queries => {
                // Spread over everybody, in no order.
                let who = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % self.args.people.max(1);
                let device = format!("{number:032x}");
                let form = lookup_form(who);
                let reply = connection.form("/pay/person", &device, form).await?;
                seen.first(due, self.begun);
                Ok(seen.ended(&reply, 303))
            }
            Kind::Notices => {
                let Some(notice) = self.notices.get(usize::try_from(number).unwrap_or(0)) else {
                    return Ok(Ended::Failed);
                };
                let body = notice.body.clone();
                let reply = connection
                    .json("/notify/wechat", &notice.headers, body)
                    .await?;
                seen.first(due, self.begun);
                Ok(seen.ended(&reply, 200))
            }
            Kind::Calls => {
                let Some((path, header, body)) =
                    self.calls.get(usize::try_from(number).unwrap_or(0))
                else {
                    return Ok(Ended::Failed);
                };
                let header = HeaderValue::from_str(header).map_err(|_| Broken)?;
                let headers = [(AUTHORIZATION, header)];
                let body = Bytes::from(body.clone());
                let reply = connection.json(path, &headers, body).await?;
                seen.first(due, self.begun);
                let refused = reply.body.windows(9).any(|part| part == b"\"REFUSED\"");
                Ok(if refused {
                    seen.note("REFUSED".to_owned());
                    Ended::Failed
                } else {
                    seen.ended(&reply, 200)
                })
            }
            Kind::Bare => {
                let body = format!(
                    r#"{{"out_trade_no":"J{number:021}","amount":{{"total":40000,"currency":"CNY"}},"notify_url":"http://127.0.0.1/notify/wechat","name":"invented"}}"#
                );
                let reply = connection.json("/json", &[], Bytes::from(body)).await?;
                let read: Result<serde_json::Value, _> = serde_json::from_slice(&reply.body);
                seen.first(due, self.begun);
                Ok(if read.is_ok() {
                    seen.ended(&reply, 200)
                } else {
                    Ended::Failed
                })
            }
            Kind::Refusals => {
                let reply = connection.json("/busy", &[], Bytes::new()).await?;
                seen.first(due, self.begun);
                Ok(seen.ended(&reply, 503))
            }
        }
    }

    async fn order(
        &self,
        connection: &mut Connection,
        number: u64,
        due: Instant,
        seen: &mut Seen,
    ) -> Result<Ended, Broken> {
        let device = format!("{number:032x}");
        let form = lookup_form(number);
        let reply = connection.form("/pay/person", &device, form).await?;
        let Some(reference) = reference(&reply.headers) else {
            return Ok(seen.ended(&reply, 303));
        };
        seen.first(due, self.begun);
        let form = format!(
            "bill_ref={reference}&method=wechat_native&relation=self&form_key={number:032x}"
        );
        let started = Instant::now();
        let reply = connection.form("/pay/start", &device, form).await?;
        let to = reply.headers.get(LOCATION).and_then(|to| to.to_str().ok());
        match to {
            Some(to) if to.starts_with("/o/") => {
                seen.second_us.push(micros(started));
                Ok(Ended::Good)
            }
            Some(to) => {
                let page = to.split(['?', '#']).next().unwrap_or(to);
                seen.note(format!("to {page}"));
                Ok(Ended::Failed)
            }
            None => Ok(seen.ended(&reply, 303)),
        }
    }

    async fn work(&self) -> Seen {
        let mut seen = Seen::default();
        let mut connection = Connection::open(&self.args.address).await.ok();
        while let Some((number, due)) = self.take().await {
            if connection.as_ref().is_none_or(Connection::is_closed) {
                connection = Connection::open(&self.args.address).await.ok();
            }
            let Some(open) = connection.as_mut() else {
                seen.note("no connection".to_owned());
                seen.failed += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            };
            match self.once(open, number, due, &mut seen).await {
                Ok(Ended::Good) => {
                    seen.good += 1;
                    let second = usize::try_from(self.begun.elapsed().as_secs()).unwrap_or(0);
                    if seen.by_second.len() <= second {
                        seen.by_second.resize(second + 1, 0);
                    }
                    seen.by_second[second] += 1;
                }
                Ok(Ended::Shed) => seen.shed += 1,
                Ok(Ended::Failed) => seen.failed += 1,
                Err(Broken) => {
                    seen.note("connection broken".to_owned());
                    seen.failed += 1;
                    connection = None;
                }
            }
        }
        seen
    }
}

/// Percentiles in milliseconds, three decimals.
fn percentiles(mut all_us: Vec<u32>) -> serde_json::Value {
    all_us.sort_unstable();
    let at = |per_mille: usize| {
        let place = all_us.len().saturating_sub(1) * per_mille / 1000;
        f64::from(all_us.get(place).copied().unwrap_or(0)) / 1000.0
    };
    serde_json::json!({ "p50_ms": at(500), "p99_ms": at(990), "p999_ms": at(999), "max_ms": at(1000) })
}

/// Runs the load and prints what was seen, one line of JSON.
pub async fn run(mut args: LoadArgs) -> Result<(), Exit> {
    let workers = args.payers;
    let calls = match (&args.file, args.kind) {
        (Some(file), Kind::Calls) => read_calls(file)?,
        _ => Vec::new(),
    };
    if args.kind == Kind::Calls {
        args.count = args
            .count
            .min(u64::try_from(calls.len()).unwrap_or(u64::MAX));
    }
    let notices = match args.kind {
        Kind::Notices => notices(&args)?,
        _ => Vec::new(),
    };
    if args.kind == Kind::Notices {
        // There is no more to tell than what was signed.
        let signed = u64::try_from(notices.len()).unwrap_or(u64::MAX);
        args.count = args.count.min(signed.saturating_sub(args.first));
    }
    let load = Arc::new(Load {
        notices,
        calls,
        args,
        next: AtomicU64::new(0),
        begun: Instant::now(),
    });
    let mut tasks = Vec::with_capacity(workers);
    for _ in 0..workers {
        let load = Arc::clone(&load);
        tasks.push(tokio::spawn(async move { load.work().await }));
    }
    let mut all = Seen::default();
    for task in tasks {
        let seen = task.await.map_err(Exit::unexpected)?;
        all.second_us.extend(seen.second_us);
        all.good += seen.good;
        all.shed += seen.shed;
        all.failed += seen.failed;
        let seconds = all.by_second.len().max(seen.by_second.len());
        all.by_second.resize(seconds, 0);
        for (sum, count) in all.by_second.iter_mut().zip(seen.by_second) {
            *sum += count;
        }
        let seconds = all.first_by_second.len().max(seen.first_by_second.len());
        all.first_by_second.resize_with(seconds, Vec::new);
        for (sum, times) in all.first_by_second.iter_mut().zip(seen.first_by_second) {
            sum.extend(times);
        }
        for (instead, count) in seen.instead {
            *all.instead.entry(instead).or_default() += count;
        }
    }
    print(serde_json::json!({
        "good": all.good,
        "shed": all.shed,
        "failed": all.failed,
        "seconds": load.begun.elapsed().as_secs_f64(),
        "first": percentiles(all.first_by_second.concat()),
        "second": percentiles(all.second_us),
        "by_second": all.by_second,
        "first_by_second": all.first_by_second.into_iter().map(percentiles).collect::<Vec<_>>(),
        "instead": all.instead,
    }));
    if load.args.linger {
        let mut end = [0];
        let _ = tokio::io::AsyncReadExt::read(&mut tokio::io::stdin(), &mut end).await;
    }
    Ok(())
}
