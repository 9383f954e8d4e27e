//! Random programs against the model.

use proptest::prelude::*;

use crate::support::model::{program, run};

/// Programs tried; `PROPTEST_CASES` says otherwise.
fn cases() -> u32 {
    let told = std::env::var("PROPTEST_CASES").ok();
    told.and_then(|n| n.parse().ok()).unwrap_or(50)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn store_and_model_agree(bytes in proptest::collection::vec(any::<u8>(), 0..=120)) {
        run(&program(&bytes));
    }
}
