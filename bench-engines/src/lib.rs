//! The same decision by five flag engines: a flag for three countries, with half of the users in each
//! variant.
//!
//! Each engine has its own configuration of the flag, its own contexts of the same users, which are built
//! in advance, and is called by its fastest public function. [`check`] verifies that all do the same work.

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

/// A user with an id and five attributes.
#[derive(Clone, Debug)]
pub struct User {
    /// The id, which is the unit.
    pub id: String,
    /// The names and values of the attributes.
    pub attributes: [(&'static str, &'static str); 5],
}

/// The variant that an engine decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The first variant.
    On,
    /// The second variant.
    Off,
    /// No variant: the flag does not apply to the user.
    None,
}

impl Variant {
    fn of(variant: &str) -> Variant {
        match variant {
            "on" => Variant::On,
            "off" => Variant::Off,
            _ => Variant::None,
        }
    }
}

/// A flag engine with its configuration and its contexts.
pub trait Engine {
    /// The engine's name and version.
    const NAME: &'static str;

    /// Builds the configuration and the contexts of the users.
    fn new(users: &[User]) -> Self;

    /// Decides for the user with this index.
    fn decide(&mut self, user: usize) -> Variant;
}

/// `count` users, from the countries in turn.
pub fn users(count: usize, countries: &[&'static str]) -> Vec<User> {
    let user = |(number, country): (usize, &&'static str)| User {
        id: format!("user-{number}"),
        attributes: [
            ("country", country),
            ("plan", "enterprise"),
            ("app", "2.3.1"),
            ("os", "linux"),
            ("language", "de"),
        ],
    };
    (0..count).zip(countries.iter().cycle()).map(user).collect()
}

/// Checks that the engine serves each variant to about half of the users in the countries, and none to
/// others.
pub fn check<E: Engine>() -> Result<(), String> {
    const COUNT: usize = 10_000;
    let mut engine = E::new(&users(COUNT, &COUNTRIES));
    let variants: Vec<Variant> = (0..COUNT).map(|user| engine.decide(user)).collect();
    let count = |variant| variants.iter().filter(|decided| **decided == variant).count();
    let (on, off) = (count(Variant::On), count(Variant::Off));
    if on + off != COUNT || !(4_800..=5_200).contains(&on) {
        return Err(format!("{} serves on to {on} and off to {off} of {COUNT}", E::NAME));
    }
    let mut engine = E::new(&users(100, &["FR", "US"]));
    match (0..100).all(|user| engine.decide(user) == Variant::None) {
        true => Ok(()),
        false => Err(format!("{} serves other countries", E::NAME)),
    }
}

/// An endless series of decisions, for each user in turn.
pub struct RoundRobin<E> {
    engine: E,
    count: usize,
    next: usize,
}

impl<E: Engine> RoundRobin<E> {
    /// A series over `count` users of the countries.
    pub fn new(count: usize) -> RoundRobin<E> {
        RoundRobin { engine: E::new(&users(count, &COUNTRIES)), count, next: 0 }
    }

    /// Decides for the next user.
    pub fn decide_next(&mut self) -> Variant {
        self.next = if self.next + 1 == self.count { 0 } else { self.next + 1 };
        self.engine.decide(black_box(self.next))
    }
}
