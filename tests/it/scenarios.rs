//! The figures of every scenario in small, so that a change of policy shows as a change of
//! numbers.

use bt_tests::{Run, SCENARIOS, Scenario, Setting};

#[test]
fn small_runs_of_all_scenarios() {
    for scenario in SCENARIOS {
        insta::assert_snapshot!(scenario.name, small(scenario, 1).to_string());
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    // The one that draws most.
    let scenario = Scenario::named("churn").expect("it is in the table");
    let text = |seed| small(scenario, seed).to_string();
    assert_eq!(text(1), text(1));
    assert_ne!(text(1), text(2));
    assert_eq!(small(scenario, 1).to_svg(), small(scenario, 1).to_svg());
}

#[test]
fn names_are_unique() {
    for scenario in SCENARIOS {
        let found = Scenario::named(scenario.name).expect("it is in the table");
        assert!(std::ptr::eq(found, scenario), "{}", scenario.name);
    }
}

/// The same shape with fewer peers and less to fetch.
fn small(scenario: &'static Scenario, seed: u64) -> Run {
    let setting = Setting {
        peers: 30,
        pieces: 240,
        piece_length: scenario.piece_length.min(64 * 1024),
        ..scenario.setting(seed)
    };
    scenario.run(setting)
}
