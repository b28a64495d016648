//! The capability matrix of channels as programs read it: what each may do, and on which days and at
//! which hours payments begin, region by region.

use crate::platform::Platform;
use jiaoyi_domain::Instant;
use jiaoyi_domain::capability::Capability;
use jiaoyi_domain::channel::Close;
use jiaoyi_domain::policy::{InForce, clock};
use serde::Serialize;
use std::collections::BTreeMap;

/// The whole answer.
#[derive(Serialize)]
struct Matrix {
    /// The moment for which `resting` holds.
    at: String,
    channels: Vec<Row>,
    levy: Vec<Levy>,
}

/// One channel.
#[derive(Serialize)]
struct Row {
    /// `outbound`: we call it; `inbound`: institutions call us through it.
    direction: &'static str,
    #[serde(flatten)]
    row: &'static Capability,
    methods: Vec<&'static str>,
    /// What a close proves; null where there is nothing of ours to close.
    close: Option<&'static str>,
    /// A payment may be reversed until then; null where it may not at all.
    reversible_until: Option<&'static str>,
}

/// When payments begin for one region and benefit year.
#[derive(Serialize)]
struct Levy {
    region: String,
    region_name: String,
    benefit_year: i16,
    source: Option<String>,
    grade: Option<&'static str>,
    windows: Vec<Days>,
    calendar: Vec<Hours>,
    /// Channels at which none begins just now, and from when; null: no more in this levy.
    resting: BTreeMap<&'static str, Option<String>>,
}

/// A window, for one channel or for all that have none of their own.
#[derive(Serialize)]
struct Days {
    channel: Option<String>,
    phase: &'static str,
    first: Option<String>,
    last: Option<String>,
}

/// Days and hours inside of the windows; where no row is given every day and hour is open.
#[derive(Serialize)]
struct Hours {
    channel: Option<String>,
    /// Empty: the months that no other row names.
    months: Vec<u8>,
    days: (u8, u8),
    /// Beijing time, from and until.
    hours: (String, String),
    closed: Vec<String>,
    source: Option<String>,
    grade: Option<&'static str>,
    note: Option<String>,
}

impl Row {
    fn of(row: &'static Capability) -> Row {
        let inbound = row.channel().front_end().is_some();
        Row {
            direction: if inbound { "inbound" } else { "outbound" },
            methods: row.methods().map(|method| method.code()).collect(),
            close: row.close().map(Close::code),
            reversible_until: row.reversible.then_some("accounting_day_closes"),
            row,
        }
    }
}

impl Levy {
    fn of(pack: &InForce, at: Instant) -> Levy {
        let told = pack.pack();
        let windows = told.windows.iter().map(|window| Days {
            channel: window.channel.clone(),
            phase: window.phase.code(),
            first: window.first.map(|day| day.to_string()),
            last: window.last.map(|day| day.to_string()),
        });
        let calendar = told.calendars.iter().map(|row| Hours {
            channel: row.channel.clone(),
            months: row.months.clone(),
            days: row.days,
            hours: (clock(row.hours.0), clock(row.hours.1)),
            closed: row.closed.iter().map(ToString::to_string).collect(),
            source: row.origin.source.clone().or_else(|| told.source.clone()),
            grade: row.origin.grade.or(told.grade).map(|grade| grade.code()),
            note: row.origin.note.clone(),
        });
        let resting = Capability::rows().iter().filter_map(|row| {
            let phase = pack.phase(at, Some(&row.code));
            let opens = phase.opens().map(Instant::rfc3339);
            phase.kind().is_none().then_some((row.code.as_str(), opens))
        });
        Levy {
            region: pack.region().to_owned(),
            region_name: told.region_name.clone(),
            benefit_year: told.benefit_year,
            source: told.source.clone(),
            grade: told.grade.map(|grade| grade.code()),
            windows: windows.collect(),
            calendar: calendar.collect(),
            resting: resting.collect(),
        }
    }
}

impl Platform {
    /// The matrix, with the levy calendars of all regions, or of those that hold for one.
    pub(crate) fn matrix(&self, region: Option<&str>) -> String {
        let at = self.now();
        let policies = self.policies();
        let holds = |pack: &InForce, region: &str| {
            let held = policies.holding(&self.regions, region, pack.pack().benefit_year);
            held.is_some_and(|held| held.region() == pack.region())
        };
        let levy = policies
            .in_force()
            .iter()
            .filter(|pack| region.is_none_or(|region| holds(pack, region)));
        let matrix = Matrix {
            at: at.rfc3339(),
            channels: Capability::rows().iter().map(Row::of).collect(),
            levy: levy.map(|pack| Levy::of(pack, at)).collect(),
        };
        serde_json::to_string(&matrix).unwrap_or_default()
    }
}
