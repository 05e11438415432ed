//! A map from names to values, sorted by name.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Deref;

use crate::sorted::sorted;

/// A map from names to values, sorted by name. It is built once, mostly in order, and then read. A
/// sorted list needs a fraction of the code of a tree, which keeps the WebAssembly filter small. A name is
/// a `String`, or of another type `N` that is as good as a string, such as one that borrows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameMap<T, N = String>(Vec<(N, T)>);

impl<T, N> Default for NameMap<T, N> {
    fn default() -> Self {
        NameMap(Vec::new())
    }
}

impl<T> NameMap<T> {
    /// An empty map.
    pub const fn new() -> Self {
        NameMap(Vec::new())
    }
}

impl<T, N> NameMap<T, N> {
    /// The entries, each changed by a function that keeps the names equal.
    pub(crate) fn map<U, M>(self, change: impl Fn(N, T) -> (M, U)) -> NameMap<U, M> {
        NameMap(self.0.into_iter().map(|(name, value)| change(name, value)).collect())
    }
}

impl<T, N: Deref<Target = str> + Ord + Clone> NameMap<T, N> {
    /// Sorts a list.
    ///
    /// # Errors
    /// The first name that the list has twice.
    pub(crate) fn from_unsorted(mut list: Vec<(N, T)>) -> Result<Self, N> {
        if !list.is_sorted_by(|(a, _), (b, _)| a < b) {
            list = sorted(list, |(a, _), (b, _)| a.cmp(b));
        }
        let twice = list.windows(2).find_map(|pair| match pair {
            [(a, _), (b, _)] if a == b => Some(a.clone()),
            _ => None,
        });
        twice.map_or(Ok(NameMap(list)), Err)
    }

    /// Adds or replaces a value. Cheap if names are inserted in order.
    pub fn insert(&mut self, name: N, value: T) {
        if self.0.last().is_none_or(|(last, _)| *last < name) {
            self.0.push((name, value));
            return;
        }
        match self.find(&name) {
            Ok(index) => {
                if let Some(entry) = self.0.get_mut(index) {
                    entry.1 = value;
                }
            }
            Err(index) => self.0.insert(index, (name, value)),
        }
    }

    /// Removes the entries for which `keep` returns false; it may change the values.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&str, &mut T) -> bool) {
        self.0.retain_mut(|(name, value)| keep(name, value));
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.0.get(self.position(name)?).map(|(_, value)| value)
    }

    /// The index of a name in the order of names, from 0.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.find(name).ok()
    }

    /// The names with their values, in the order of names.
    pub fn iter(&self) -> core::slice::Iter<'_, (N, T)> {
        self.0.iter()
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }

    /// The values, in the order of names.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }

    /// The number of names.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the map is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(name))
    }
}

impl<'n, T, N> IntoIterator for &'n NameMap<T, N> {
    type Item = &'n (N, T);
    type IntoIter = core::slice::Iter<'n, (N, T)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn map_is_sorted_and_has_the_last_value_of_a_name() {
        let mut map = NameMap::new();
        for (name, value) in [("b", 1), ("a", 2), ("c", 3), ("b", 4)] {
            map.insert(name.into(), value);
        }
        assert!(map.names().eq(["a", "b", "c"]));
        assert!(map.values().copied().eq([2, 4, 3]));
        assert_eq!((map.get("b"), map.get("x"), map.position("c")), (Some(&4), None, Some(2)));
        assert_eq!(map.len(), 3);
    }
}
