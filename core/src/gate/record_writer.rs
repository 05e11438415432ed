//! The writer of audit records.

use alloc::string::ToString;
use core::convert::Infallible;

use super::latency::{Edge, LatencyCounts};
use super::nats::Nats;
use super::process::GridLevels;
use super::ratio::Ratio;
use super::record::{RecordFields, RecordPart};
use super::settings::InferenceUnit;
use crate::json::ObjectWriter;
use crate::value::share::Share;

/// Writes the fields of a part as members of an object.
pub(super) fn write_part<T: RecordPart + Clone>(part: &T, object: &mut ObjectWriter<'_>) {
    let Ok(()) = part.clone().fields(&mut Writer(object));
}

struct Writer<'w, 'o>(&'w mut ObjectWriter<'o>);

impl RecordFields for Writer<'_, '_> {
    type Error = Infallible;

    fn number(&mut self, name: &'static str, value: &mut u64) -> Result<(), Infallible> {
        self.0.number(name, *value);
        Ok(())
    }

    fn small(&mut self, name: &'static str, value: &mut u32) -> Result<(), Infallible> {
        self.0.number(name, *value);
        Ok(())
    }

    fn ratio(&mut self, name: &'static str, value: &mut Ratio) -> Result<(), Infallible> {
        self.0.number(name, value.thousandths());
        Ok(())
    }

    fn share(&mut self, name: &'static str, value: &mut Share) -> Result<(), Infallible> {
        self.0.number(name, value.millipercent());
        Ok(())
    }

    fn unit(&mut self, name: &'static str, value: &mut InferenceUnit) -> Result<(), Infallible> {
        self.0.string(name, value.as_str());
        Ok(())
    }

    fn level(&mut self, name: &'static str, value: &mut Nats) -> Result<(), Infallible> {
        self.0.signed(name, value.raw());
        Ok(())
    }

    fn levels(&mut self, name: &'static str, value: &mut GridLevels) -> Result<(), Infallible> {
        self.0.list(name, |list| value.0.iter().for_each(|level| list.signed(level.raw())));
        Ok(())
    }

    fn numbers<const N: usize>(
        &mut self,
        name: &'static str,
        value: &mut [u64; N],
    ) -> Result<(), Infallible> {
        self.0.numbers(name, *value);
        Ok(())
    }

    fn edges(&mut self, name: &'static str, value: &mut [Edge]) -> Result<(), Infallible> {
        self.0.numbers(name, value.iter().map(|edge| edge.number().into()));
        Ok(())
    }

    fn histograms(
        &mut self,
        name: &'static str,
        value: &mut [LatencyCounts],
    ) -> Result<(), Infallible> {
        self.0.list(name, |list| {
            value.iter().for_each(|counts| list.object(|object| histogram(object, counts)));
        });
        Ok(())
    }

    fn part(&mut self, name: &'static str, value: &mut impl RecordPart) -> Result<(), Infallible> {
        self.0.object(name, |object| {
            let Ok(()) = value.fields(&mut Writer(object));
        });
        Ok(())
    }

    fn optional<T: RecordPart + Default>(
        &mut self,
        name: &'static str,
        value: &mut Option<T>,
    ) -> Result<(), Infallible> {
        match value {
            Some(value) => self.part(name, value),
            None => Ok(()),
        }
    }

    fn parts<T: RecordPart + Default + PartialEq>(
        &mut self,
        name: &'static str,
        value: &mut [T],
    ) -> Result<(), Infallible> {
        let is_empty = value.iter().all(|part| *part == T::default());
        self.0.list(name, |list| {
            for part in value.iter_mut().filter(|_| !is_empty) {
                list.object(|object| {
                    let Ok(()) = part.fields(&mut Writer(object));
                });
            }
        });
        Ok(())
    }
}

/// Writes the bins that are not 0, with their positions as keys.
fn histogram(object: &mut ObjectWriter<'_>, counts: &LatencyCounts) {
    for (index, count) in counts.counts().iter().enumerate().filter(|(_, count)| **count > 0) {
        object.number(&index.to_string(), *count);
    }
}
