//! The override token of a request.

use alloc::borrow::Cow;

use super::Facts;

/// The locations of a token in a request, in the order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Location {
    Header,
    Cookie,
    Query,
}

impl<'a> Facts<'a> {
    /// The token that the request carries, valid or not. `None` if the host has no keys.
    pub(crate) fn token(&self) -> Option<&[u8]> {
        self.token.as_ref().map(|(_, token)| &**token)
    }

    /// Stores a token unless there is one of this location or of one that precedes it. An empty token is
    /// ignored.
    pub(super) fn offer_token(&mut self, location: Location, token: Cow<'a, [u8]>) {
        if token.is_empty() {
            return;
        }
        match &mut self.token {
            // Two header lines are joined to one value, as for every header: an invalid token.
            Some((Location::Header, first)) if location == Location::Header => {
                *first = Cow::Owned([first, b", ".as_slice(), &token].concat());
            }
            Some((stored, _)) if *stored <= location => {}
            _ => self.token = Some((location, token)),
        }
    }
}
