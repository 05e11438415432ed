//! One case, five engines: a flag for three countries, half of the users in each variant.
//!
//! Each engine gets its own configuration of the same flag and its own contexts, made beforehand, of
//! the same people, through its fastest public call. [`check`] makes sure that all of them do the same
//! work.

use std::hint::black_box;

mod eppo;
mod growthbook;
mod launchdarkly;
mod serin;
mod unleash;

pub use eppo::Eppo;
pub use growthbook::Growthbook;
pub use launchdarkly::LaunchDarkly;
pub use serin::Serin;
pub use unleash::Unleash;

/// The countries that the flag is for.
pub const COUNTRIES: [&str; 3] = ["CH", "AT", "DE"];

/// The flag's name in every engine.
pub const FLAG: &str = "checkout";

/// Somebody with a key and five attributes.
#[derive(Clone, Debug)]
pub struct Person {
    /// Who is bucketed.
    pub id: String,
    /// Names and values.
    pub attributes: [(&'static str, &'static str); 5],
}

/// What an engine answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The first variant.
    On,
    /// The second variant.
    Off,
    /// Neither: the flag is not for them.
    Neither,
}

impl Answer {
    fn of(variant: &str) -> Answer {
        match variant {
            "on" => Answer::On,
            "off" => Answer::Off,
            _ => Answer::Neither,
        }
    }
}

/// A flag engine with its configuration and its people's contexts.
pub trait Engine {
    /// The engine's name and version.
    const NAME: &'static str;

    /// Everything that is made once.
    fn new(people: &[Person]) -> Self;

    /// Decides for one of the people, by position.
    fn decide(&mut self, person: usize) -> Answer;
}

/// So many people of the countries, in turn.
pub fn people(count: usize, countries: &[&'static str]) -> Vec<Person> {
    let person = |(number, country): (usize, &&'static str)| Person {
        id: format!("user-{number}"),
        attributes: [
            ("country", country),
            ("plan", "enterprise"),
            ("app", "2.3.1"),
            ("os", "linux"),
            ("language", "de"),
        ],
    };
    (0..count).zip(countries.iter().cycle()).map(person).collect()
}

/// Whether the engine serves each variant to about half of those in the countries, and neither to
/// anybody else. The error says what it did instead.
pub fn check<E: Engine>() -> Result<(), String> {
    const COUNT: usize = 10_000;
    let mut engine = E::new(&people(COUNT, &COUNTRIES));
    let answers: Vec<Answer> = (0..COUNT).map(|person| engine.decide(person)).collect();
    let count = |wanted| answers.iter().filter(|answer| **answer == wanted).count();
    let (on, off) = (count(Answer::On), count(Answer::Off));
    if on + off != COUNT || !(4_800..=5_200).contains(&on) {
        return Err(format!("{} serves on to {on} and off to {off} of {COUNT}", E::NAME));
    }
    let mut engine = E::new(&people(100, &["FR", "US"]));
    match (0..100).all(|person| engine.decide(person) == Answer::Neither) {
        true => Ok(()),
        false => Err(format!("{} serves other countries", E::NAME)),
    }
}

/// Decides for each of the people, in turn, for ever.
pub struct Turns<E> {
    engine: E,
    count: usize,
    next: usize,
}

impl<E: Engine> Turns<E> {
    /// With `count` people of the countries.
    pub fn new(count: usize) -> Turns<E> {
        Turns { engine: E::new(&people(count, &COUNTRIES)), count, next: 0 }
    }

    /// One decision.
    pub fn turn(&mut self) -> Answer {
        self.next = if self.next + 1 == self.count { 0 } else { self.next + 1 };
        self.engine.decide(black_box(self.next))
    }
}
