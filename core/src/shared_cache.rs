//! The response fields that keep a response out of shared caches.
//!
//! A response with a cookie is for one client. A shared cache that stores it hands the cookie to everybody
//! (RFC 9111, section 7.3), so the response is made private.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::str::from_utf8;

/// The field that browsers and shared caches obey (RFC 9111, section 5.2).
const CACHE_CONTROL: &str = "cache-control";
/// The end of the names of fields for some shared caches only, which these obey instead of
/// [`CACHE_CONTROL`] (RFC 9213): `cdn-cache-control`.
const TARGETED: &[u8] = b"-cache-control";
/// The field for surrogates (Edge Architecture Specification).
const SURROGATE_CONTROL: &str = "surrogate-control";
/// Fields for one kind of shared cache only, each with the value that forbids it to store a response.
const VENDORS: [(&str, &str); 2] = [("edge-control", "no-store"), ("x-accel-expires", "0")];

/// Whether responses with cookies are kept out of shared caches, by a host's setting `SERIN_CACHE_CONTROL`:
/// `private`, which is the default, or `keep`.
///
/// # Errors
/// The setting is another one: what is wrong with it, as the end of a sentence.
pub fn makes_private(setting: Option<&str>) -> Result<bool, &'static str> {
    match setting.map_or("", str::trim) {
        "" | "private" => Ok(true),
        "keep" => Ok(false),
        _ => Err("is neither private nor keep"),
    }
}

/// The response fields that change so that no shared cache stores a response, with their new values, each of which
/// replaces all lines of its field. It is empty if the response is for one client already.
///
/// `fields` are the names and the values of the response's fields, in any order. A name may be in any case.
///
/// - `cache-control` gets `private`. It keeps its other directives, except those that invite shared caches:
///   `public` and `s-maxage`. A response with `no-store` keeps the field. Where HTTP/1.0's `pragma: no-cache` was
///   the only restriction, `no-cache` takes its place.
/// - Fields that only shared caches obey get `no-store`: each `…-cache-control` and `surrogate-control`, which
///   keeps `content`; so do fields of single vendors.
///
/// Neither `vary` nor the status changes this: a cache uses a response with `vary: cookie` for all clients without
/// cookies, and takes the fields of a 304 over into the response that it has stored.
pub fn private_fields<'r>(
    fields: impl IntoIterator<Item = (&'r [u8], &'r [u8])>,
) -> Vec<(String, String)> {
    let mut changes: Vec<(String, String)> = Vec::new();
    let (mut given, mut surrogate) = (Field::default(), Field::default());
    let mut has_pragma = false;
    for (name, value) in fields {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        // A value that is not UTF-8 has no directive that a cache knows.
        let text = from_utf8(value).unwrap_or("");
        if is(CACHE_CONTROL) {
            given.add(text);
        } else if is("pragma") {
            has_pragma |= text.trim().eq_ignore_ascii_case("no-cache");
        } else if is(SURROGATE_CONTROL) {
            surrogate.add(text);
        } else if let Some((known, new)) = VENDORS.iter().find(|(known, _)| is(known)) {
            set(&mut changes, known, new);
        } else if has_suffix(name, TARGETED)
            && let Ok(name) = from_utf8(name)
        {
            set(&mut changes, &name.to_ascii_lowercase(), "no-store");
        }
    }
    if !surrogate.0.is_empty() {
        let value = surrogate.replace("no-store", |directive| name_of(directive) == "content");
        set(&mut changes, SURROGATE_CONTROL, &value);
    }
    if !given.forbids_sharing() {
        let first = if has_pragma && given.0.is_empty() { "private, no-cache" } else { "private" };
        let value = given.replace(first, |directive| !concerns_sharing(directive));
        set(&mut changes, CACHE_CONTROL, &value);
    }
    changes
}

/// The value of a field, with all of its lines joined.
#[derive(Default)]
struct Field(String);

impl Field {
    fn add(&mut self, line: &str) {
        if !self.0.is_empty() {
            self.0.push_str(", ");
        }
        self.0.push_str(line);
    }

    /// The field's directives. A quoted string may contain commas.
    fn directives(&self) -> impl Iterator<Item = &str> {
        let (mut is_quoted, mut is_escaped) = (false, false);
        let parts = self.0.split(move |character| {
            let is_end = character == ',' && !is_quoted;
            is_quoted ^= character == '"' && !is_escaped;
            is_escaped = is_quoted && character == '\\' && !is_escaped;
            is_end
        });
        parts.map(str::trim).filter(|part| !part.is_empty())
    }

    /// Whether no shared cache may store the response. `private` with names of fields forbids only these fields.
    /// `must-understand` lets a cache that knows the status ignore `no-store` (RFC 9111, section 5.2.2.3).
    fn forbids_sharing(&self) -> bool {
        let has = |name: &str| self.directives().any(|given| given.eq_ignore_ascii_case(name));
        if has("no-store") && !has("must-understand") {
            return true;
        }
        has("private") && !self.directives().any(invites_sharing)
    }

    /// `first`, then the directives for which `is_kept` holds.
    fn replace(&self, first: &str, is_kept: impl Fn(&str) -> bool) -> String {
        let mut text = first.to_owned();
        for directive in self.directives().filter(|directive| is_kept(directive)) {
            text.push_str(", ");
            text.push_str(directive);
        }
        text
    }
}

/// Whether a directive is about shared caches alone.
fn concerns_sharing(directive: &str) -> bool {
    invites_sharing(directive) || name_of(directive) == "private"
}

fn invites_sharing(directive: &str) -> bool {
    matches!(&*name_of(directive), "public" | "s-maxage")
}

/// A directive's name in lower case, without its value.
fn name_of(directive: &str) -> String {
    directive.split('=').next().unwrap_or("").trim().to_ascii_lowercase()
}

/// Sets a field that may have several lines.
fn set(changes: &mut Vec<(String, String)>, name: &str, value: &str) {
    if !changes.iter().any(|(known, _)| known == name) {
        changes.push((name.to_owned(), value.to_owned()));
    }
}

fn has_suffix(name: &[u8], suffix: &[u8]) -> bool {
    let start = name.len().checked_sub(suffix.len());
    let end = start.and_then(|start| name.get(start..));
    end.is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec;
    use proptest::prelude::*;

    fn changes(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        private_fields(fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))
    }

    /// The new value of `cache-control`; empty if it stays.
    #[track_caller]
    fn cache_control(fields: &[(&str, &str)]) -> String {
        let changes = changes(fields);
        assert!(changes.iter().all(|(name, _)| name == CACHE_CONTROL), "{changes:?}");
        changes.into_iter().next().map(|(_, value)| value).unwrap_or_default()
    }

    #[test]
    fn the_setting_is_private_or_keep() {
        let settings = [None, Some(" "), Some("private"), Some(" keep "), Some("Keep")];
        let wrong = Err("is neither private nor keep");
        assert_eq!(settings.map(makes_private), [Ok(true), Ok(true), Ok(true), Ok(false), wrong]);
    }

    #[test]
    fn what_a_shared_cache_may_store_becomes_private() {
        for (given, new) in [
            ("public, max-age=600", "private, max-age=600"),
            ("public, s-maxage=600", "private"),
            ("max-age=600", "private, max-age=600"),
            ("PUBLIC,S-MaxAge = 60 , Max-Age=5", "private, Max-Age=5"),
            ("no-cache", "private, no-cache"),
            ("must-revalidate, max-age=0", "private, must-revalidate, max-age=0"),
            (
                "max-age=60, stale-while-revalidate=30",
                "private, max-age=60, stale-while-revalidate=30",
            ),
            ("public, private", "private"),
            ("private, s-maxage=60, max-age=1", "private, max-age=1"),
            ("private=\"set-cookie\", max-age=60", "private, max-age=60"),
            ("no-cache=\"set-cookie, x\", public", "private, no-cache=\"set-cookie, x\""),
            ("private=\"a\\\", public\", max-age=1", "private, max-age=1"),
            (
                "no-store, must-understand, max-age=60",
                "private, no-store, must-understand, max-age=60",
            ),
            (", ,", "private"),
            ("", "private"),
        ] {
            assert_eq!(cache_control(&[("Cache-Control", given)]), new, "{given}");
        }
    }

    #[test]
    fn what_no_shared_cache_may_store_stays() {
        for given in [
            "private",
            "private, max-age=600",
            "no-store",
            "No-Store, No-Cache",
            "no-store, public, s-maxage=60",
            "max-age=0, PRIVATE",
        ] {
            assert_eq!(changes(&[("cache-control", given)]), vec![], "{given}");
        }
    }

    #[test]
    fn several_lines_are_one_field() {
        let lines =
            [("cache-control", "public"), ("Cache-Control", "max-age=1"), ("vary", "cookie")];
        assert_eq!(cache_control(&lines), "private, max-age=1");
        let lines = [("cache-control", "public"), ("cache-control", "no-store")];
        assert_eq!(cache_control(&lines), "");
        let lines = [("cache-control", "max-age=1"), ("cache-control", "private")];
        assert_eq!(cache_control(&lines), "");
    }

    #[test]
    fn a_response_that_caches_store_by_heuristics_becomes_private() {
        for fields in [
            &[][..],
            &[("expires", "Thu, 01 Jan 2032 00:00:00 GMT")],
            &[("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"), ("vary", "*")],
            &[("pragma", "x")],
        ] {
            assert_eq!(cache_control(fields), "private", "{fields:?}");
        }
        assert_eq!(cache_control(&[("Pragma", "no-cache")]), "private, no-cache");
        let both = [("pragma", "no-cache"), ("cache-control", "max-age=1")];
        assert_eq!(cache_control(&both), "private, max-age=1");
    }

    #[test]
    fn fields_for_shared_caches_alone_forbid_storing() {
        let with = |name: &str, value: &str| {
            let mut changes = changes(&[("cache-control", "no-store"), (name, value), (name, "x")]);
            assert_eq!(changes.len(), 1, "{changes:?}");
            changes.remove(0)
        };
        for (name, value, new) in [
            ("CDN-Cache-Control", "max-age=600", "no-store"),
            ("cloudflare-cdn-cache-control", "public", "no-store"),
            ("x-litespeed-cache-control", "public, max-age=9", "no-store"),
            ("Surrogate-Control", "max-age=600", "no-store"),
            (
                "surrogate-control",
                "max-age=60+10;varnish, content=\"ESI/1.0, ESI/1.1\"",
                "no-store, content=\"ESI/1.0, ESI/1.1\"",
            ),
            ("x-accel-expires", "600", "0"),
            ("Edge-Control", "max-age=10m", "no-store"),
        ] {
            assert_eq!(with(name, value), (name.to_ascii_lowercase(), new.to_owned()));
        }
        assert_eq!(cache_control(&[("x-cache", "hit"), ("-cache-contr", "")]), "private");
    }

    proptest! {
        /// The result is private, and a second application changes no `cache-control`.
        #[test]
        fn the_result_is_private(values in proptest::collection::vec(
            "((public|private|private=\"x, y\"|no-store|s-maxage=1|max-age=2|must-understand|,|\"| )(, |,|)){0,5}", 0..4,
        )) {
            let fields: Vec<_> = values.iter().map(|value| ("cache-control", &**value)).collect();
            let first = cache_control(&fields);
            if !first.is_empty() {
                prop_assert!(first.starts_with("private"));
                let is_left = first.split(',').any(|part| matches!(part.trim(), "public" | "s-maxage=1"));
                prop_assert!(!is_left || first.contains('"'), "{first}");
                prop_assert_eq!(cache_control(&[("cache-control", &first)]), "", "{}", first);
            }
        }

        #[test]
        fn no_field_is_too_odd(fields in proptest::collection::vec(
            (proptest::collection::vec(any::<u8>(), 0..20), proptest::collection::vec(any::<u8>(), 0..20)), 0..4,
        )) {
            let pairs = fields.iter().map(|(name, value)| (&**name, &**value));
            let changes = private_fields(pairs);
            prop_assert!(changes.iter().any(|(name, _)| name == CACHE_CONTROL), "{}", format!("{changes:?}"));
        }
    }
}
