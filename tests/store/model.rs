//! Random programs against the model.

use proptest::prelude::*;

use crate::support::model::{program, run};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 50,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn store_and_model_agree(bytes in proptest::collection::vec(any::<u8>(), 0..=120)) {
        run(&program(&bytes));
    }
}
