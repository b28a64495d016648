use super::*;

#[test]
fn demo_packs_are_in_force() {
    let today = Date::constant(2026, 11, 22);
    for (file, text) in demo_packs(today) {
        let pack = Pack::parse(&file, &text).unwrap_or_else(|p| panic!("{p:#?}"));
        InForce::try_new(pack).unwrap_or_else(|p| panic!("{p:#?}"));
    }
}
