//! What staff do for institutions.

use super::desk::*;
use crate::limits::Budgets;
use crate::verify::tests::institutions::institution;
use jiaoyi_domain::decide::PutInstitution;
use jiaoyi_domain::time::DAY_MS;

#[tokio::test]
async fn links_are_listed_of_one_institution_while_they_open() {
    let desk = Desk::new("access", Budgets::default()).await;
    for inst_id in ["BANK01", "BANK02"] {
        let put = PutInstitution {
            institution: institution(inst_id, START),
            change: false,
        };
        desk.platform.submit(put).await.unwrap();
    }
    for (inst_id, days) in [("BANK01", 1), ("BANK01", 2), ("BANK02", 1)] {
        let link = desk.platform.make_access_link(inst_id, days).await;
        let link = link.unwrap();
        assert!(
            link.starts_with("https://pay.example.gov.cn/access/"),
            "{link}"
        );
    }
    for (after_ms, one, two) in [(0, 2, 1), (DAY_MS - 1, 2, 1), (1, 1, 0), (DAY_MS, 0, 0)] {
        desk.turn(after_ms);
        for (inst_id, count) in [("BANK01", one), ("BANK02", two), ("BANK03", 0)] {
            let links = desk.platform.access_links(inst_id).await.unwrap();
            assert!(links.iter().all(|link| link.inst_id == inst_id));
            assert_eq!(links.len(), count, "{inst_id} after {after_ms} more");
        }
    }
}
