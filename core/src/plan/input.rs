//! The inputs of a plan: the facts about a request that its decisions read.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::attribute::Attribute;

/// The id of an input in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InputId(pub(crate) u32);

/// A fact about a request. The first three kinds are in the header block, the host fetches the
/// others; the order of the variants sorts the former first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Input {
    /// A header field; its name in lower case.
    Header(Box<str>),
    /// A cookie.
    Cookie(Box<str>),
    /// A query parameter.
    Query(Box<str>),
    /// A claim of a verified token: a string as it is, a number or boolean as in JSON.
    Jwt(Box<str>),
    /// The client's address, with or without a port.
    Ip,
    /// The client's country, ISO 3166-1 alpha-2.
    Country,
    /// The client's region.
    Region,
    /// The client's city.
    City,
    /// The number of the client's autonomous system.
    Asn,
    /// The code of the data centre that received the request.
    Colo,
}

impl Input {
    /// The input of an attribute; `None` for attributes that are derived from the request line, a
    /// unit or the clock.
    pub(crate) fn of(attribute: &Attribute) -> Option<Input> {
        Some(match attribute {
            Attribute::Header(name) => Input::Header(name.as_str().into()),
            Attribute::Cookie(name) => Input::Cookie(name.as_str().into()),
            Attribute::Query(name) => Input::Query(name.as_str().into()),
            Attribute::Jwt(name) => Input::Jwt(name.as_str().into()),
            Attribute::Ip => Input::Ip,
            Attribute::Country => Input::Country,
            Attribute::Region => Input::Region,
            Attribute::City => Input::City,
            Attribute::Asn => Input::Asn,
            Attribute::Colo => Input::Colo,
            Attribute::Unit(_)
            | Attribute::Path
            | Attribute::Host
            | Attribute::Method
            | Attribute::Time => return None,
        })
    }

    /// Whether it is in the header block, where [`crate::Facts::of_request`] finds it.
    pub(crate) fn is_in_headers(&self) -> bool {
        matches!(self, Input::Header(_) | Input::Cookie(_) | Input::Query(_))
    }
}

/// An input that the host must fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostInput<'p> {
    pub(crate) id: InputId,
    /// The input.
    pub(crate) kind: &'p Input,
}

/// The inputs of a plan, indexed so that a header block is read in one pass.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inputs {
    /// Sorted; an [`InputId`] is an index here.
    all: Box<[Input]>,
    /// Names and ids, sorted by name.
    pub(crate) headers: Box<[(Box<str>, InputId)]>,
    pub(crate) cookies: Box<[(Box<str>, InputId)]>,
    pub(crate) query: Box<[(Box<str>, InputId)]>,
    pub(crate) any_from_host: bool,
    pub(crate) claims: bool,
    pub(crate) time: bool,
}

impl Inputs {
    /// Indexes a sorted list without duplicates. `time` is whether decisions depend on the time.
    pub(crate) fn new(all: Vec<Input>, time: bool) -> Inputs {
        let named = |pick: fn(&Input) -> Option<&Box<str>>| -> Box<[(Box<str>, InputId)]> {
            let ids = all.iter().zip(0_u32..);
            ids.filter_map(|(input, id)| Some((pick(input)?.clone(), InputId(id)))).collect()
        };
        Inputs {
            headers: named(|input| if let Input::Header(name) = input { Some(name) } else { None }),
            cookies: named(|input| if let Input::Cookie(name) = input { Some(name) } else { None }),
            query: named(|input| if let Input::Query(name) = input { Some(name) } else { None }),
            any_from_host: all.iter().any(|input| !input.is_in_headers()),
            claims: all.iter().any(|input| matches!(input, Input::Jwt(_))),
            time,
            all: all.into(),
        }
    }

    /// The id of an input; `None` if no decision reads it.
    pub(crate) fn id(&self, input: &Input) -> Option<InputId> {
        let index = self.all.binary_search(input).ok()?;
        u32::try_from(index).ok().map(InputId)
    }

    pub(crate) fn host_input(&self, id: InputId) -> Option<HostInput<'_>> {
        let kind = self.all.get(usize::try_from(id.0).ok()?)?;
        Some(HostInput { id, kind })
    }

    /// The id of a header field, whose name may be in any case.
    pub(crate) fn header(&self, name: &[u8]) -> Option<InputId> {
        find(&self.headers, |known| compare_lower(known.as_bytes(), name))
    }

    pub(crate) fn cookie(&self, name: &[u8]) -> Option<InputId> {
        find(&self.cookies, |known| known.as_bytes().cmp(name))
    }

    pub(crate) fn query(&self, name: &str) -> Option<InputId> {
        find(&self.query, |known| known.cmp(name))
    }
}

fn find(names: &[(Box<str>, InputId)], compare: impl Fn(&str) -> Ordering) -> Option<InputId> {
    let index = names.binary_search_by(|(known, _)| compare(known)).ok()?;
    names.get(index).map(|(_, id)| *id)
}

fn compare_lower(known: &[u8], name: &[u8]) -> Ordering {
    known.iter().copied().cmp(name.iter().map(u8::to_ascii_lowercase))
}
