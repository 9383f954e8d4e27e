//! How two indexes differ: one derived from the pack anew must equal the one in use.

use redb::{Key, Range, ReadableTable, Value};

use super::IndexError;
use super::tables::{CHECKPOINT, Reader, Source, each_derived_table};

impl Reader {
    /// How the rows of two indexes differ, but for chunks and the checkpoint: a line each, at most
    /// `limit`.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn differences(&self, other: &Self, limit: usize) -> Result<Vec<String>, IndexError> {
        self.differences_but(other, &[], limit)
    }

    /// The same, but for these tables.
    pub(super) fn differences_but(
        &self,
        other: &Self,
        but: &[&str],
        limit: usize,
    ) -> Result<Vec<String>, IndexError> {
        let mut lines = Vec::new();
        macro_rules! table {
            ($field:ident) => {
                if !but.contains(&stringify!($field)) {
                    compare(
                        stringify!($field),
                        &mut lines,
                        limit,
                        self.$field()?.iter()?,
                        other.$field()?.iter()?,
                    )?;
                }
            };
        }
        each_derived_table!(table);
        Ok(lines)
    }
}

/// Walks two sorted tables side by side.
fn compare<K: Key + 'static, V: Value + 'static>(
    table: &str,
    lines: &mut Vec<String>,
    limit: usize,
    ours: Range<'_, K, V>,
    theirs: Range<'_, K, V>,
) -> Result<(), IndexError> {
    let is_checkpoint = |key: &[u8]| table == "meta" && key == CHECKPOINT.as_bytes();
    let next = |range: &mut Range<'_, K, V>| -> Result<_, IndexError> {
        for row in range {
            let (key, value) = row?;
            let key = K::as_bytes(&key.value()).as_ref().to_vec();
            if !is_checkpoint(&key) {
                let value = V::as_bytes(&value.value()).as_ref().to_vec();
                return Ok(Some((key, value)));
            }
        }
        Ok(None)
    };
    let (mut ours, mut theirs) = (ours, theirs);
    let (mut left, mut right) = (next(&mut ours)?, next(&mut theirs)?);
    while lines.len() < limit && (left.is_some() || right.is_some()) {
        let order = match (&left, &right) {
            (Some((a, _)), Some((b, _))) => K::compare(a, b),
            (Some(_), None) => std::cmp::Ordering::Less,
            _ => std::cmp::Ordering::Greater,
        };
        let name = |row: &Option<(Vec<u8>, Vec<u8>)>| {
            row.as_ref()
                .map_or_else(String::new, |(key, _)| key.escape_ascii().to_string())
        };
        match order {
            std::cmp::Ordering::Less => {
                lines.push(format!(
                    "{table}: the row of {} is not in the pack",
                    name(&left)
                ));
                left = next(&mut ours)?;
            }
            std::cmp::Ordering::Greater => {
                lines.push(format!("{table}: the row of {} is missing", name(&right)));
                right = next(&mut theirs)?;
            }
            std::cmp::Ordering::Equal => {
                if left != right {
                    lines.push(format!(
                        "{table}: the row of {} differs from the pack",
                        name(&left)
                    ));
                }
                left = next(&mut ours)?;
                right = next(&mut theirs)?;
            }
        }
    }
    Ok(())
}
