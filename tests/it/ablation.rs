//! What each term of the evaluation of peers is good for.

use bt_tests::{ABLATIONS, ablation_table};

#[test]
fn every_term_is_worth_having() {
    for ablation in ABLATIONS {
        let [with, without] = ablation.run();
        let term = ablation.term;
        assert!(with < without, "{term:?}: {with}, without it {without}");
    }
    insta::assert_snapshot!("ablation", ablation_table());
}
