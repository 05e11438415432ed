//! `serin drill` before anything runs. With the real filter it is tried in `tests/hosts/drill.rs`.

use crate::check::folder;
use crate::command::{self, SPEC, outcome, serin};

fn drill(arguments: &[&str]) -> (i32, String, String) {
    let mut command = serin();
    command.current_dir(folder("gates")).arg("drill");
    outcome(&command.args(arguments).output().unwrap())
}

#[test]
fn what_cannot_be_drilled_is_said() {
    let plain = command::folder("drill").join("plain.yaml");
    std::fs::write(&plain, SPEC).unwrap();
    let plain = plain.to_str().unwrap();
    for (arguments, why) in [
        (&["shop.yaml", "--fault", "up"][..], "up is no fault, use errors=5x"),
        (
            &["shop.yaml", "--fault", "cohort=nobody:errors=5x"],
            "nobody here is in the cohort nobody",
        ),
        (
            &["shop.yaml", "--cohort", "enterpris=5"],
            "nobody here is in the cohort enterpris: it has to be one that gates judge or a ring, \
             here are enterprise",
        ),
        (&["shop.yaml", "--fault", "errors=5x,errors=2x"], "errors is there twice"),
        (&["shop.yaml", "--rollout", "none"], "there is no rollout \"none\""),
        (&["shop.yaml", "--rps", "0"], "0 is not from 0.01 to 100000"),
        (&["shop.yaml", "--cohort", "enterprise=101"], "not from 0 to 100 per cent"),
        (&["shop.yaml", "--for", "5"], "5 is no span of time"),
        (&["none.yaml"], "none.yaml: cannot be read"),
        (
            &[plain, "--rollout", "other"],
            "everything goes to the baseline, so there is nothing to break",
        ),
        (&["shop.yaml", "--filter", "shop.yaml"], "the filter: "),
    ] {
        let (code, out, err) = drill(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(err.contains(why), "{err}");
    }
    let (code, _, err) = drill(&["../mistakes/arm_typo.yaml"]);
    assert_eq!(code, 1);
    assert!(err.contains("rollouts.shop.baseline"), "{err}");
}
