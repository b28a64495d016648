//! Makes the sandbox's institutions known to the demo's platform, as `jiaoyi institution` would.

use crate::commands::institution::{key_row, submit};
use crate::exit::Exit;
use jiaoyi_app::platform::Platform;
use jiaoyi_domain::Instant;
use jiaoyi_domain::decide::{PutInstitution, PutInstitutionKey, PutWebhook};
use jiaoyi_domain::institution::{DAY_MINUTES, Institution, InstitutionKey, Keeper, Scope};
use jiaoyi_sandbox::{INSTITUTION_KEY_ID, INSTITUTIONS};
use std::path::Path;

/// Registers every institution whose key is among the identities; a second start changes nothing.
///
/// They are told of events at the sandbox.
pub async fn register(
    platform: &Platform,
    identities: &Path,
    sandbox: &str,
    now_ms: i64,
) -> Result<(), Exit> {
    for own in INSTITUTIONS {
        let file = identities.join(own.public_key_file());
        if !file.exists() {
            continue;
        }
        let scopes: Vec<&str> = Scope::ALL.iter().map(|scope| scope.code()).collect();
        let institution = Institution {
            inst_id: own.inst_id.to_owned(),
            name: own.name.to_owned(),
            front_ends: own.code.to_owned(),
            scopes: scopes.join(";"),
            addresses: String::new(),
            cut_over: own.cut_over_min.into(),
            hours_from: 0,
            hours_until: DAY_MINUTES,
            live: false,
            webhook: String::new(),
            created_at: Instant(now_ms),
            version: 1,
        };
        let change = true;
        submit(
            platform,
            PutInstitution {
                institution,
                change,
            },
        )
        .await?;
        let webhook = PutWebhook {
            by: Keeper::Staff,
            inst_id: own.inst_id.to_owned(),
            url: format!("{sandbox}/front/events/{}", own.code),
        };
        submit(platform, webhook).await?;
        let (inst_id, key_id) = (own.inst_id.to_owned(), INSTITUTION_KEY_ID.to_owned());
        let known = platform
            .store
            .load::<InstitutionKey>(&(inst_id.clone(), key_id.clone()))
            .await;
        if known.map_err(Exit::unavailable)?.is_none() {
            let key = key_row(inst_id, key_id, &file, Some(Instant(now_ms)), None)?;
            let by = Keeper::Staff;
            submit(platform, PutInstitutionKey { key, by }).await?;
        }
    }
    platform
        .reload_institutions()
        .await
        .map_err(Exit::unavailable)
}
