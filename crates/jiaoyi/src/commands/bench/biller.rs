//! `jiaoyi bench biller`: an institution queries and pays through HTTP, every call signed and
//! every answer signed back. Requests are signed beforehand; beside them stands what a call costs
//! at least, one RSA verification and one RSA signature.

use super::RunArgs;
use super::floor::{self, Floor};
use super::payments::BUDGETS;
use super::person;
use super::process::Side;
use super::queries;
use super::report::{number, ratio, say};
use super::world::World;
use crate::edge;
use crate::exit::{Exit, note, print};
use crate::keys;
use jiaoyi_app::platform::Platform;
use jiaoyi_crypto::calls::string_to_sign;
use jiaoyi_crypto::{CallScheme, CallSigner, CallVerifier};
use jiaoyi_domain::biller::BillNo;
use jiaoyi_domain::decide::{PutInstitution, PutInstitutionKey};
use jiaoyi_domain::due::{DueId, Scheme};
use jiaoyi_domain::institution::{DAY_MINUTES, Institution, InstitutionKey, Keeper, KeyScheme};
use jiaoyi_domain::roster::Document;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const INST: &str = "BENCH01";

/// Connections of the institution.
const CONNECTIONS: &str = "128";

/// Makes the institution known and gives it a key.
async fn introduce(platform: &Platform, signer: &CallSigner) -> Result<(), Exit> {
    let institution = Institution {
        inst_id: INST.to_owned(),
        name: "bench".to_owned(),
        front_ends: "A6;A7".to_owned(),
        scopes: "query;pay;reverse".to_owned(),
        addresses: String::new(),
        cut_over: DAY_MINUTES,
        hours_from: 0,
        hours_until: DAY_MINUTES,
        live: false,
        webhook: String::new(),
        created_at: platform.now(),
        version: 1,
    };
    let change = true;
    let put = PutInstitution {
        institution,
        change,
    };
    platform.submit(put).await.map_err(Exit::unexpected)?;
    let public = CallVerifier::from_pem(&signer.public_pem()).map_err(Exit::unexpected)?;
    let key = InstitutionKey {
        inst_id: INST.to_owned(),
        key_id: format!("k{}", platform.now().0),
        scheme: KeyScheme::Rsa,
        public_key: public.der().to_vec(),
        valid_from: platform.now(),
        valid_until: None,
        version: 1,
    };
    let put = PutInstitutionKey {
        key,
        by: Keeper::Staff,
    };
    platform
        .submit(put)
        .await
        .map_err(Exit::unexpected)
        .map(drop)
}

/// Signs one call: path, header and body, as the load reads them.
fn signed(signer: &CallSigner, key_id: &str, verb: &str, nonce: u64, body: &Value) -> String {
    let (path, body) = (format!("/biller/v1/{verb}"), body.to_string());
    let at = edge::system_now().0.div_euclid(1_000).to_string();
    let nonce = format!("bench-{nonce:012}");
    let text = string_to_sign(["POST", &path, &at, &nonce], body.as_bytes());
    let signature = signer.sign(&text, &mut |_| {}).unwrap_or_default();
    format!(
        "{path}\tBILLER1-RSA2048-SHA256 inst_id=\"{INST}\",key_id=\"{key_id}\",timestamp=\"{at}\",\
         nonce_str=\"{nonce}\",signature=\"{signature}\"\t{body}\n"
    )
}

/// Writes signed calls about people `0..count` into a file.
async fn write_calls(
    world: &World,
    platform: &Platform,
    signer: &CallSigner,
    key_id: &str,
    verb: &str,
    count: u64,
) -> Result<PathBuf, Exit> {
    let today = platform.today();
    let first = if verb == "pay" { 1 << 40 } else { 0 };
    let mut text = String::new();
    for who in 0..count {
        let body = if verb == "query" {
            let invented = person::person(who);
            json!({
                "pooling_region": person::REGION, "id_type": "id_card",
                "id_no": invented.id_number, "name": invented.name, "relation": "other",
                "channel": "A7",
            })
        } else {
            let row = person::row(who, today, false);
            let row = row.ok_or_else(|| Exit::unexpected("no such person"))?;
            let place = platform.place_of(&row.document);
            let known = platform.store.load::<Document>(&place).await;
            let known = known.map_err(Exit::unexpected)?;
            let known = known.ok_or_else(|| Exit::unexpected("nobody was published"))?;
            let due_id = DueId::of(known.person_id, Scheme::ResidentMedical, today.year() + 1);
            let bucket = known.person_bucket;
            json!({
                "seq": format!("p{who:012}"), "trace_date": today.to_string(),
                "bill_no": BillNo { bucket, due_id }.to_string(), "amount_fen": 40_000,
                "paid_at": edge::system_now().rfc3339(), "channel": "A7",
            })
        };
        text.push_str(&signed(signer, key_id, verb, first + who, &body));
    }
    let path = world.folder.join(format!("{verb}.calls"));
    std::fs::write(&path, text).map_err(|error| Exit::unwritten(&path, &error))?;
    Ok(path)
}

/// Sends the calls of a file, each once; what the load saw, with the server's CPU of each call.
async fn send(world: &World, server: &Side, file: &Path, seconds: f64) -> Result<Value, Exit> {
    let (file, seconds) = (file.display().to_string(), seconds.to_string());
    let mut args = vec!["bench", "side-load", "calls", "--address", &world.address];
    args.extend([
        "--file",
        &file,
        "--seconds",
        &seconds,
        "--payers",
        CONNECTIONS,
    ]);
    queries::measured(world, server, &args).await
}

/// Runs the bench.
pub async fn run(args: &RunArgs) -> Result<(), Exit> {
    note(format!("bench biller: {BUDGETS}"));
    let people: u64 = if args.quick { 20_000 } else { 150_000 };
    let seconds = args.seconds.unwrap_or(if args.quick { 10.0 } else { 60.0 });
    let world = World::open(args.data.as_deref(), args.database.as_deref())?;
    let file = world.folder.join("keys.toml");
    keys::with_answer_keys(&file, keys::load(&file)?)?;
    let random = edge::random();
    world.seed(0, people, false).await?;
    let signer = CallSigner::draw(CallScheme::Rsa, &mut |bytes| random(bytes));
    let signer = signer.map_err(Exit::unexpected)?;
    let platform = world.platform().await?;
    introduce(&platform, &signer).await?;
    let known: Vec<InstitutionKey> = platform.store.all().await.map_err(Exit::unexpected)?;
    let newest = known.into_iter().max_by_key(|key| key.valid_from);
    let key_id = newest.map(|key| key.key_id).unwrap_or_default();
    note("signing the calls");
    let mut files = Vec::new();
    for verb in ["query", "pay"] {
        files.push(write_calls(&world, &platform, &signer, &key_id, verb, people).await?);
    }
    platform.store.close();
    drop(platform);
    let mut floor = Floor::default();
    floor::crypto(&mut floor, 1.0)?;
    let (mut server, channel, _) = world.serve().await?;
    let queries = send(&world, &server, &files[0], seconds).await?;
    let pays = send(&world, &server, &files[1], seconds).await?;
    server.stop("-TERM").await?;
    drop(channel);
    let least = floor.rsa_verify_us + floor.rsa_sign_us;
    let over = |told: &Value| ratio(told["server_us"].as_f64().unwrap_or(0.0) / least);
    let report = json!({
        "queries_per_s": queries["per_s"], "pays_per_s": pays["per_s"],
        "rsa_us": number(least), "query_over_rsa": over(&queries), "pay_over_rsa": over(&pays),
        "query": queries, "pay": pays,
    });
    if args.json {
        print(report);
    } else {
        say(&report);
    }
    Ok(())
}

/// A signed call as the load sends it: path, header, body.
pub type Call = (String, String, String);

/// Reads a file of signed calls.
pub fn read_calls(path: &Path) -> Result<Vec<Call>, Exit> {
    let text = std::fs::read_to_string(path).map_err(|error| Exit::unread(path, &error))?;
    let read = |line: &str| {
        let mut parts = line.splitn(3, '\t').map(str::to_owned);
        Some((parts.next()?, parts.next()?, parts.next()?))
    };
    let calls: Option<Vec<Call>> = text.lines().map(read).collect();
    calls.ok_or_else(|| Exit::unexpected("a line is no call"))
}
