//! Mutations of access tokens, access keys and quotas.

use super::super::IndexError;
use super::super::row::seal;
use super::super::rows::Rows;
use super::super::tables::Tables;
use crate::format::meta::{AccessKey, AccessToken, Quota};

impl Tables<'_> {
    pub(super) fn put_access_token(&mut self, token: &AccessToken) -> Result<(), IndexError> {
        let row = seal(&[&token.secret_sha256], token);
        self.access_tokens
            .write()?
            .insert(&token.secret_sha256, row.as_slice())?;
        Ok(())
    }

    pub(super) fn put_access_key(&mut self, pair: &AccessKey) -> Result<(), IndexError> {
        let row = seal(&[pair.key.as_bytes()], pair);
        self.access_keys
            .write()?
            .insert(pair.key.as_str(), row.as_slice())?;
        Ok(())
    }

    /// Takes away whatever else a user could log in with.
    pub(super) fn delete_access(&mut self, user: &str) -> Result<(), IndexError> {
        for token in self.access_tokens(user)? {
            self.access_tokens.write()?.remove(&token.secret_sha256)?;
        }
        for pair in self.access_keys(user)? {
            self.access_keys.write()?.remove(pair.key.as_str())?;
        }
        Ok(())
    }

    pub(super) fn put_quota(&mut self, quota: &Quota) -> Result<(), IndexError> {
        let key = (quota.project.as_str(), quota.repo.as_str());
        match quota.bytes {
            None => self.quotas.write()?.remove(key)?,
            Some(_) => {
                let row = seal(&[key.0.as_bytes(), key.1.as_bytes()], quota);
                self.quotas.write()?.insert(key, row.as_slice())?
            }
        };
        Ok(())
    }
}
