//! Reader of audit records.

use serin_core::Share;
use serin_core::gate::{
    ALTERNATIVES, Edge, GridLevels, InferenceUnit, LATENCY_COUNTS, LatencyCounts, Nats, Ratio,
    RecordFields, RecordPart,
};
use serin_core::json::{Members, Node};

use super::error::{ReplayError, ReplayErrorKind};

impl RecordFields for Record<'_> {
    type Error = ReplayError;

    fn number(&mut self, name: &'static str, value: &mut u64) -> Result<(), ReplayError> {
        *value = self.whole(name)?;
        Ok(())
    }

    fn small(&mut self, name: &'static str, value: &mut u32) -> Result<(), ReplayError> {
        let given = self.whole(name)?;
        let wrong = |_| self.error(name, ReplayErrorKind::TooLarge { given });
        *value = u32::try_from(given).map_err(wrong)?;
        Ok(())
    }

    fn ratio(&mut self, name: &'static str, value: &mut Ratio) -> Result<(), ReplayError> {
        let mut thousandths = 0;
        self.small(name, &mut thousandths)?;
        let ratio = Ratio::from_thousandths(thousandths);
        *value = ratio.ok_or_else(|| self.error(name, ReplayErrorKind::ZeroRatio))?;
        Ok(())
    }

    fn share(&mut self, name: &'static str, value: &mut Share) -> Result<(), ReplayError> {
        let given = self.whole(name)?;
        let share = u32::try_from(given).ok().and_then(Share::from_millipercent);
        *value = share.ok_or_else(|| self.error(name, ReplayErrorKind::Share { given }))?;
        Ok(())
    }

    fn unit(&mut self, name: &'static str, value: &mut InferenceUnit) -> Result<(), ReplayError> {
        let given = self.text(name)?;
        let kind = ReplayErrorKind::InferenceUnit { given: given.into() };
        *value = InferenceUnit::from_name(given).ok_or_else(|| self.error(name, kind))?;
        Ok(())
    }

    fn level(&mut self, name: &'static str, value: &mut Nats) -> Result<(), ReplayError> {
        *value = Nats::from_raw(self.signed(name)?);
        Ok(())
    }

    fn levels(&mut self, name: &'static str, value: &mut GridLevels) -> Result<(), ReplayError> {
        let kind = ReplayErrorKind::NotWholeNumbers { expected: ALTERNATIVES };
        let list = self.list(name)?;
        let read: Option<Vec<i64>> = list.iter().map(signed).collect();
        let read = read.and_then(|read| <[i64; ALTERNATIVES]>::try_from(read).ok());
        let read = read.ok_or_else(|| self.error(name, kind))?;
        *value = GridLevels(read.map(Nats::from_raw));
        Ok(())
    }

    fn numbers<const N: usize>(
        &mut self,
        name: &'static str,
        value: &mut [u64; N],
    ) -> Result<(), ReplayError> {
        let read: Option<Vec<u64>> = self.list(name)?.iter().map(number).collect();
        let read = read.and_then(|read| <[u64; N]>::try_from(read).ok());
        let wrong = || self.error(name, ReplayErrorKind::NotWholeNumbers { expected: N });
        *value = read.ok_or_else(wrong)?;
        Ok(())
    }

    fn edges(&mut self, name: &'static str, value: &mut [Edge]) -> Result<(), ReplayError> {
        let items = self.items(name, value.len())?;
        for (edge, node) in value.iter_mut().zip(items) {
            let given = number(node).unwrap_or(u64::MAX);
            let known = u8::try_from(given).ok().and_then(Edge::new);
            let wrong = || self.error(name, ReplayErrorKind::Edge { given });
            *edge = known.ok_or_else(wrong)?;
        }
        Ok(())
    }

    fn histograms(
        &mut self,
        name: &'static str,
        value: &mut [LatencyCounts],
    ) -> Result<(), ReplayError> {
        let items = self.items(name, value.len())?;
        for (counts, node) in value.iter_mut().zip(items) {
            *counts = self.child(node, name)?.histogram()?;
        }
        Ok(())
    }

    fn part(&mut self, name: &'static str, value: &mut impl RecordPart) -> Result<(), ReplayError> {
        value.fields(&mut self.object(name)?)
    }

    fn optional<T: RecordPart + Default>(
        &mut self,
        name: &'static str,
        value: &mut Option<T>,
    ) -> Result<(), ReplayError> {
        *value = None;
        if self.has(name) {
            let mut part = T::default();
            self.part(name, &mut part)?;
            *value = Some(part);
        }
        Ok(())
    }

    fn parts<T: RecordPart + Default + PartialEq>(
        &mut self,
        name: &'static str,
        value: &mut [T],
    ) -> Result<(), ReplayError> {
        if self.list(name)?.is_empty() {
            value.iter_mut().for_each(|part| *part = T::default());
            return Ok(());
        }
        let items = self.items(name, value.len())?;
        for (part, node) in value.iter_mut().zip(items) {
            part.fields(&mut self.child(node, name)?)?;
        }
        Ok(())
    }
}

fn number(node: &Node<'_>) -> Option<u64> {
    if let Node::Number(number) = node { number.as_u64() } else { None }
}

fn signed(node: &Node<'_>) -> Option<i64> {
    if let Node::Number(number) = node { number.as_i64() } else { None }
}

/// An object of the record with its path, which is empty for the record itself.
pub(super) struct Record<'n> {
    fields: &'n Members<'n>,
    path: String,
}

impl<'n> Record<'n> {
    pub(super) fn open(node: &'n Node<'n>, path: &str) -> Result<Record<'n>, ReplayError> {
        match node {
            Node::Object(fields) => Ok(Record { fields, path: path.into() }),
            other => {
                let kind = ReplayErrorKind::Type { given: other.kind(), expected: "an object" };
                Err(ReplayError::in_object(path, kind))
            }
        }
    }

    /// Reads a part in a field.
    pub(super) fn read<T: RecordPart + Default>(
        &self,
        field: &'static str,
    ) -> Result<T, ReplayError> {
        let mut part = T::default();
        part.fields(&mut self.object(field)?)?;
        Ok(part)
    }

    /// A mistake in one of its fields.
    pub(super) fn error(&self, field: &str, kind: ReplayErrorKind) -> ReplayError {
        ReplayError::new(&self.path, field, kind)
    }

    fn wrong_type(&self, field: &str, given: &Node<'_>, expected: &'static str) -> ReplayError {
        self.error(field, ReplayErrorKind::Type { given: given.kind(), expected })
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.fields.get(field).is_some()
    }

    fn get(&self, field: &str) -> Result<&'n Node<'n>, ReplayError> {
        self.fields.get(field).ok_or_else(|| self.error(field, ReplayErrorKind::Missing))
    }

    fn object(&self, field: &str) -> Result<Record<'n>, ReplayError> {
        self.child(self.get(field)?, field)
    }

    /// An object in one of its fields.
    fn child(&self, node: &'n Node<'n>, field: &str) -> Result<Record<'n>, ReplayError> {
        let path =
            if self.path.is_empty() { field.into() } else { format!("{}.{field}", self.path) };
        Record::open(node, &path)
    }

    pub(super) fn list(&self, field: &str) -> Result<&'n [Node<'n>], ReplayError> {
        match self.get(field)? {
            Node::List(items) => Ok(items),
            other => Err(self.wrong_type(field, other, "a list")),
        }
    }

    /// A list of an expected number of items.
    fn items(&self, field: &str, expected: usize) -> Result<&'n [Node<'n>], ReplayError> {
        let items = self.list(field)?;
        if items.len() == expected {
            return Ok(items);
        }
        let given = items.len();
        Err(self.error(field, ReplayErrorKind::Length { given, expected }))
    }

    /// The bins of a histogram, by their positions.
    fn histogram(&self) -> Result<LatencyCounts, ReplayError> {
        let mut counts = [0_u32; LATENCY_COUNTS];
        for (bin, node) in self.fields {
            let slot = bin.parse().ok().and_then(|bin: usize| counts.get_mut(bin));
            let count = number(node).and_then(|count| u32::try_from(count).ok());
            let kind = ReplayErrorKind::LatencyCount { bins: LATENCY_COUNTS };
            let (slot, count) = slot.zip(count).ok_or_else(|| self.error(bin, kind))?;
            *slot = count;
        }
        Ok(LatencyCounts::from_counts(counts))
    }

    pub(super) fn text(&self, field: &str) -> Result<&'n str, ReplayError> {
        match self.get(field)? {
            Node::String(text) => Ok(text),
            other => Err(self.wrong_type(field, other, "a text")),
        }
    }

    pub(super) fn whole(&self, field: &str) -> Result<u64, ReplayError> {
        let wrong = || self.error(field, ReplayErrorKind::NotWhole);
        number(self.get(field)?).ok_or_else(wrong)
    }

    pub(super) fn signed(&self, field: &str) -> Result<i64, ReplayError> {
        let wrong = || self.error(field, ReplayErrorKind::NotWhole);
        signed(self.get(field)?).ok_or_else(wrong)
    }
}
