//! `serin drill` with wrong arguments. `tests/hosts/drill.rs` tests it with the real filter.

use crate::check::folder;
use crate::command::{self, SPEC, outcome, serin};

fn drill(arguments: &[&str]) -> (i32, String, String) {
    let mut command = serin();
    command.current_dir(folder("gates")).arg("drill");
    outcome(&command.args(arguments).output().unwrap())
}

#[test]
fn wrong_arguments_are_refused_before_the_first_run() {
    let plain = command::folder("drill").join("plain.yaml");
    std::fs::write(&plain, SPEC).unwrap();
    let plain = plain.to_str().unwrap();
    for (arguments, why) in [
        (&["shop.yaml", "--fault", "up"][..], "up is not a fault, use errors=5x"),
        (
            &["shop.yaml", "--fault", "cohort=nobody:errors=5x"],
            "nobody is neither a cohort that the gates of rollouts.shop judge nor one of its rings",
        ),
        (
            &["shop.yaml", "--cohort", "enterpris=5"],
            "enterpris is neither a cohort that the gates of rollouts.shop judge nor one of its rings: \
             use enterprise",
        ),
        (&["shop.yaml", "--fault", "errors=5x,errors=2x"], "errors is given twice"),
        (&["shop.yaml", "--rollout", "none"], "the spec has no rollout \"none\""),
        (&["shop.yaml", "--rps", "0"], "0 is not between 0.01 and 100000"),
        (&["shop.yaml", "--cohort", "enterprise=101"], "not between 0 and 100 per cent"),
        (&["shop.yaml", "--for", "5"], "5 is not a duration"),
        (&["none.yaml"], "none.yaml: cannot be read"),
        (
            &[plain, "--rollout", "other"],
            "everything goes to the baseline, so it has no new version to drill",
        ),
        (&["shop.yaml", "--filter", "shop.yaml"], "the filter cannot be used: "),
    ] {
        let (code, out, err) = drill(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(err.contains(why), "{err}");
    }
    let (code, _, err) = drill(&["../mistakes/arm_typo.yaml"]);
    assert_eq!(code, 1);
    assert!(err.contains("rollouts.shop.baseline"), "{err}");
}
