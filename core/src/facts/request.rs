//! Facts from a request's header block. Every host reads it here.

use alloc::borrow::Cow;
use alloc::string::String;
use core::str::from_utf8;

use super::token::Location;
use super::{Facts, cookie, path, query, spelling};
use crate::plan::{InputId, Plan};
use crate::{anonymous, headers, overrides};

impl<'a> Facts<'a> {
    /// The facts of a header block alone: [`Facts::of_request`] without a host.
    pub fn gather(
        plan: &Plan,
        headers: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Facts<'a> {
        Facts::of_headers(plan, false, headers)
    }

    /// Reads a header block in one pass. If `token` is set, it also finds the override token: that of
    /// [`overrides::HEADER`], else of [`overrides::COOKIE`], else of [`overrides::QUERY`].
    pub(super) fn of_headers(
        plan: &Plan,
        token: bool,
        headers: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Facts<'a> {
        let mut facts = Facts::default();
        let mut host_header: Option<&'a [u8]> = None;
        for (name, value) in headers {
            match name {
                b":method" => facts.method = Cow::Borrowed(from_utf8(value).unwrap_or("")),
                b":scheme" => facts.secure = value.eq_ignore_ascii_case(b"https"),
                b":authority" => facts.host = host(value),
                b":path" => facts.read_target(plan, value, token),
                _ => {
                    if host_header.is_none() && name.eq_ignore_ascii_case(b"host") {
                        host_header = Some(value);
                    }
                    facts.read_header(plan, name, value, token);
                }
            }
        }
        if facts.host.is_empty() {
            facts.host = host_header.map(host).unwrap_or_default();
        }
        facts
    }

    fn read_target(&mut self, plan: &Plan, target: &'a [u8], token: bool) {
        let target = before(target, b'#');
        let path = before(target, b'?');
        self.path = path::normalise(path);
        let query = target.get(path.len().saturating_add(1)..).unwrap_or(&[]);
        if plan.inputs.query.is_empty() && !token {
            return;
        }
        for (name, value) in query::pairs(query) {
            let Some(name) = query::decode(name) else {
                continue;
            };
            if token && name == overrides::QUERY {
                let text = query::decode(value).map(|text| match text {
                    Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                    Cow::Owned(text) => Cow::Owned(text.into_bytes()),
                });
                self.offer_token(Location::Query, text.unwrap_or(Cow::Borrowed(value)));
            }
            let Some(input) = plan.inputs.query(&name) else {
                continue;
            };
            self.put_first(input, query::decode(value));
        }
    }

    fn read_header(&mut self, plan: &Plan, name: &[u8], value: &'a [u8], token: bool) {
        if token && name.eq_ignore_ascii_case(overrides::HEADER.as_bytes()) {
            self.offer_token(Location::Header, Cow::Borrowed(value));
        }
        if name.eq_ignore_ascii_case(headers::IDS.as_bytes()) {
            // Some hosts join the lines of a name. Serin sends one, so several are not trusted, joined or not.
            let is_single = self.received_ids.is_none() && !value.contains(&b',');
            self.received_ids = Some(if is_single { value } else { b"" });
        }
        let is_cookie = name.eq_ignore_ascii_case(b"cookie");
        if is_cookie && (token || !plan.inputs.cookies.is_empty()) {
            for (name, value) in cookie::pairs(value) {
                if token && name == overrides::COOKIE.as_bytes() {
                    self.offer_token(Location::Cookie, Cow::Borrowed(value));
                }
                let Some(input) = plan.inputs.cookie(name) else {
                    continue;
                };
                let value = from_utf8(value).ok();
                match value.and_then(anonymous::split).filter(|_| plan.mints(input)) {
                    Some((id, signature)) if self.slot(input).is_err() => {
                        self.put(input, Some(Cow::Borrowed(id)));
                        self.signatures.push((input, signature));
                    }
                    _ => self.put_first(input, value.map(Cow::Borrowed)),
                }
            }
        }
        let Some(input) = plan.inputs.header(name) else {
            return;
        };
        let value = from_utf8(value).ok();
        let Ok(index) = self.slot(input) else {
            self.put(input, value.map(Cow::Borrowed));
            return;
        };
        let separator = if is_cookie { "; " } else { ", " };
        if let Some(slot) = self.values.get_mut(index) {
            slot.1 = slot.1.take().zip(value).map(|(first, next)| join(first, separator, next));
        }
    }

    fn put_first(&mut self, input: InputId, value: Option<Cow<'a, str>>) {
        if self.slot(input).is_err() {
            self.put(input, value);
        }
    }
}

fn join<'a>(first: Cow<'a, str>, separator: &str, next: &str) -> Cow<'a, str> {
    let mut joined: String = first.into_owned();
    joined.push_str(separator);
    joined.push_str(next);
    Cow::Owned(joined)
}

fn before(text: &[u8], mark: u8) -> &[u8] {
    text.split(|b| *b == mark).next().unwrap_or(text)
}

/// The host of an authority: `Shop.Example.com:8443` → `shop.example.com`. Empty if it is not UTF-8.
pub(super) fn host(authority: &[u8]) -> Cow<'_, str> {
    let Ok(text) = from_utf8(authority) else {
        return Cow::Borrowed("");
    };
    let bracket = text.rfind(']').map_or(0, |index| index.saturating_add(1));
    let (address, rest) = text.split_at_checked(bracket).unwrap_or(("", text));
    let (name, _port) = rest.split_once(':').unwrap_or((rest, ""));
    let length = address.len().saturating_add(name.len());
    let bare = text.get(..length).unwrap_or(text);
    spelling::host(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_in_lower_case_and_has_no_port() {
        for (authority, expected) in [
            ("Shop.Example.com:8443", "shop.example.com"),
            ("shop.example.com.", "shop.example.com"),
            ("[2001:DB8::1]:443", "[2001:db8::1]"),
            ("[2001:db8::1]", "[2001:db8::1]"),
            ("[2001:db8:0:0::1]", "[2001:db8::1]"),
            ("", ""),
        ] {
            assert_eq!(host(authority.as_bytes()), expected);
        }
        assert_eq!(host(b"\xff"), "");
    }
}
