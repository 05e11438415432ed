//! Where a request may carry an override's token.

use alloc::borrow::Cow;

use super::Facts;

/// The places, the one that counts first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Header,
    Cookie,
    Query,
}

impl<'a> Facts<'a> {
    /// The token that the request carries, valid or not, if it was looked for.
    pub(crate) fn token(&self) -> Option<&[u8]> {
        self.token.as_ref().map(|(_, token)| &**token)
    }

    /// Keeps a token unless a better place had one, or this place already. An empty one is none.
    pub(super) fn offer_token(&mut self, place: Place, token: Cow<'a, [u8]>) {
        if token.is_empty() {
            return;
        }
        match &mut self.token {
            // Two header lines are one value, as for every header, and no token.
            Some((Place::Header, first)) if place == Place::Header => {
                *first = Cow::Owned([first, b", ".as_slice(), &token].concat());
            }
            Some((held, _)) if *held <= place => {}
            _ => self.token = Some((place, token)),
        }
    }
}
