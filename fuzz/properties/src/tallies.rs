//! Bytes of tallies or of a monitor can be written and read again without a change, in no more bytes, or
//! they are refused. Adding tallies is commutative.

use crate::monitor::{add_outcomes, guarded};
use serin_conformance::random::Random;
use serin_core::gate::{GroupTally, Monitor, Tallies};

pub(crate) fn holds(bytes: &[u8]) {
    if let Some(monitor) = Monitor::from_bytes(bytes) {
        let written = monitor.to_bytes();
        assert!(written.len() <= bytes.len(), "{monitor:?}");
        assert_eq!(Monitor::from_bytes(&written), Some(monitor));
    }
    let read = Tallies::from_bytes(bytes);
    if let Some(tallies) = &read {
        let written = check_round_trip(tallies);
        assert!(written.len() <= bytes.len(), "{tallies:?}");
    }
    let mut random = Random::from_bytes(bytes);
    let guarded = guarded(&mut random);
    let (mut one, mut other) = (guarded.empty_tallies(), guarded.empty_tallies());
    add_outcomes(&mut random, &mut one);
    add_outcomes(&mut random, &mut other);
    for tallies in [&one, &other] {
        check_round_trip(tallies);
    }
    check_addition_commutes(&one, &other);
    if let Some(mut read) = read {
        // Only tallies of the same stage are added, and those have equally many groups.
        read.stage = one.stage;
        read.groups.resize(one.groups.len(), GroupTally::default());
        check_addition_commutes(&read, &one);
    }
}

fn check_round_trip(tallies: &Tallies) -> Vec<u8> {
    let written = tallies.to_bytes();
    assert_eq!(Tallies::from_bytes(&written).as_ref(), Some(tallies));
    written
}

fn check_addition_commutes(one: &Tallies, other: &Tallies) {
    let (mut sum, mut reverse) = (one.clone(), other.clone());
    sum.add(other);
    reverse.add(one);
    assert_eq!(sum, reverse);
    assert_eq!(Tallies::absorb(Some(one.clone()), other, one.stage), Some(sum));
    let mut later = other.stage;
    later.epoch = later.epoch.wrapping_add(1);
    assert_eq!(Tallies::absorb(Some(one.clone()), other, later), None);
}
