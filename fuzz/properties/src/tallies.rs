//! Counters that come as bytes are read as what they are or not at all: what is read can be written and
//! read again, in no more bytes; and adding up is the same in either order.

use crate::monitor::{counted, guarded};
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
        let written = same(tallies);
        assert!(written.len() <= bytes.len(), "{tallies:?}");
    }
    let mut random = Random::from_bytes(bytes);
    let guarded = guarded(&mut random);
    let (mut one, mut other) = (guarded.nothing(), guarded.nothing());
    counted(&mut random, &mut one);
    counted(&mut random, &mut other);
    for tallies in [&one, &other] {
        same(tallies);
    }
    commutes(&one, &other);
    if let Some(mut read) = read {
        // Hosts add only what is of one stage, and so of as many groups.
        read.stage = one.stage;
        read.groups.resize(one.groups.len(), GroupTally::default());
        commutes(&read, &one);
    }
}

fn same(tallies: &Tallies) -> Vec<u8> {
    let written = tallies.to_bytes();
    assert_eq!(Tallies::from_bytes(&written).as_ref(), Some(tallies));
    written
}

fn commutes(one: &Tallies, other: &Tallies) {
    let (mut forth, mut back) = (one.clone(), other.clone());
    forth.add(other);
    back.add(one);
    assert_eq!(forth, back);
    assert_eq!(Tallies::absorb(Some(one.clone()), other, one.stage), Some(forth));
    let mut later = other.stage;
    later.epoch = later.epoch.wrapping_add(1);
    assert_eq!(Tallies::absorb(Some(one.clone()), other, later), None);
}
