//! The figures of both scenarios of the DHT in small, so that a change of policy shows as a change
//! of numbers.

use bt_tests::{DHT_SCENARIOS, DhtScenario, Scenario};

#[test]
fn small_runs_of_the_dht() {
    for scenario in DHT_SCENARIOS {
        insta::assert_snapshot!(scenario.name, scenario.run(100, 1).to_string());
    }
}

#[test]
fn the_same_seed_gives_the_same_dht() {
    let scenario = DhtScenario::named("dht-sybils").expect("it is in the table");
    let text = |seed| scenario.run(60, seed).to_string();
    assert_eq!(text(1), text(1));
    assert_ne!(text(1), text(2));
}

#[test]
fn names_are_not_those_of_swarms() {
    for scenario in DHT_SCENARIOS {
        let found = DhtScenario::named(scenario.name).expect("it is in the table");
        assert!(std::ptr::eq(found, scenario), "{}", scenario.name);
        assert!(Scenario::named(scenario.name).is_none());
    }
}
