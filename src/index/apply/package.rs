//! Mutations of software packages.

use redb::ReadableTable;

use super::super::IndexError;
use super::super::packages::names::Names;
use super::super::packages::{Field, Ids, block_of, order_key, set_of, set_row, unset_row};
use super::super::row::{seal, seal_bytes, unseal_bytes};
use super::super::rows::Rows;
use super::super::tables::{NEXT_PACKAGE, Tables};
use crate::format::meta::Package;

impl Tables<'_> {
    pub(super) fn put_package(&mut self, package: &Package) -> Result<(), IndexError> {
        self.delete_package(package.id)?;
        let id = package.id;
        let row = seal(&[&id.to_le_bytes()], package);
        self.packages.write()?.insert(id, row.as_slice())?;
        self.note(&package.sha256);
        for field in Field::UNIQUE {
            let key = order_key(field, package);
            self.package_orders
                .write()?
                .insert((field as u8, key.as_slice(), id), ())?;
        }
        self.change_sets(package, Ids::insert)?;
        let name = package.file_name.to_ascii_lowercase();
        self.change_names(id, |names| names.insert(id, &name))?;
        let next = id.saturating_add(1);
        if self.next_package()? < next {
            self.set_next(NEXT_PACKAGE, next)?;
        }
        Ok(())
    }

    pub(super) fn delete_package(&mut self, id: u64) -> Result<(), IndexError> {
        let Some(package) = self.package(id)? else {
            return Ok(());
        };
        self.packages.write()?.remove(id)?;
        for field in Field::UNIQUE {
            let key = order_key(field, &package);
            self.package_orders
                .write()?
                .remove((field as u8, key.as_slice(), id))?;
        }
        self.change_sets(&package, Ids::remove)?;
        self.change_names(id, |names| names.remove(id))
    }

    /// Changes the set of every value that the package shares with others.
    fn change_sets(
        &mut self,
        package: &Package,
        change: impl Fn(&mut Ids, u32) -> bool,
    ) -> Result<(), IndexError> {
        // Ids of sets have 32 bits, and `check` gives out no others.
        let Ok(id) = u32::try_from(package.id) else {
            return Ok(());
        };
        for field in Field::SHARED {
            let value = set_of(field, package);
            let key = (field as u8, value, u64::from(id >> 16));
            let mut ids = match self.package_sets.read()?.get(key)? {
                Some(row) => unset_row(key, row.value())?,
                None => Ids::new(),
            };
            change(&mut ids, id);
            if ids.is_empty() {
                self.package_sets.write()?.remove(key)?;
            } else {
                let row = set_row(key, &ids)?;
                self.package_sets.write()?.insert(key, row.as_slice())?;
            }
        }
        Ok(())
    }

    fn change_names(
        &mut self,
        id: u64,
        change: impl Fn(&Names<'_>) -> Vec<u8>,
    ) -> Result<(), IndexError> {
        let (block, key) = (block_of(id), block_of(id).to_le_bytes());
        let changed = match self.package_names.read()?.get(block)? {
            Some(row) => {
                let bytes = unseal_bytes("package_names", &[&key], row.value())?;
                change(&Names::parse(bytes)?)
            }
            None => change(&Names::default()),
        };
        if changed.is_empty() {
            self.package_names.write()?.remove(block)?;
        } else {
            let row = seal_bytes(&[&key], changed);
            self.package_names.write()?.insert(block, row.as_slice())?;
        }
        Ok(())
    }
}
