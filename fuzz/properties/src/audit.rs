//! A string is an audit record that replays, or it is refused with a reason. A second replay gives the
//! same.

use serin_analysis::replay::replay;

pub(crate) fn holds(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let replayed = replay(text);
    assert_eq!(replay(text), replayed);
    match replayed {
        Ok(replay) => assert!(replay.differences.iter().all(|difference| !difference.is_empty())),
        Err(why) => assert!(!why.to_string().trim().is_empty()),
    }
}
