//! What a mutation does to the rows. Can fail only by I/O; whether a mutation makes sense was
//! decided before it was written.

mod access;
mod package;
mod session;
mod space;
mod tree;

use super::IndexError;
use super::row::{seal, seal_bytes};
use super::rows::{Rows, next_text};
use super::tables::{NEXT_NODE, Tables};
use crate::format::meta::{Grant, Mutation, NodeId, Repo};

impl Tables<'_> {
    /// Applies one mutation.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn apply(&mut self, mutation: &Mutation) -> Result<(), IndexError> {
        match mutation {
            Mutation::ProjectPut(project) => {
                let row = seal(&[project.name.as_bytes()], project);
                self.projects
                    .write()?
                    .insert(project.name.as_str(), row.as_slice())?;
            }
            Mutation::RepoPut(repo) => self.put_repo(repo)?,
            Mutation::NodePut(put) => self.put_node(put)?,
            Mutation::NodeDelete(delete) => self.delete_node(delete)?,
            Mutation::NodeMove(moved) => self.move_node(moved)?,
            Mutation::TreeCopy(copy) => self.copy_tree(copy)?,
            Mutation::FolderSweep(sweep) => self.sweep_folder(*sweep)?,
            Mutation::AccessTokenPut(token) => self.put_access_token(token)?,
            Mutation::AccessTokenDelete(delete) => {
                self.access_tokens.write()?.remove(&delete.secret_sha256)?;
            }
            Mutation::AccessKeyPut(pair) => self.put_access_key(pair)?,
            Mutation::AccessKeyDelete(delete) => {
                self.access_keys.write()?.remove(delete.key.as_str())?;
            }
            Mutation::QuotaPut(quota) => self.put_quota(quota)?,
            Mutation::RepoDelete(delete) => {
                let (project, name) = (delete.project.as_str(), delete.name.as_str());
                if let Some(repo) = self.repo(project, name)? {
                    self.dropped.write()?.insert(repo.root.0, ())?;
                }
                self.repos.write()?.remove((project, name))?;
                self.quotas.write()?.remove((project, name))?;
                let upto = next_text(name);
                self.retain_grants((project, name, ""), (project, &upto, ""), |_| false)?;
            }
            Mutation::ProjectDelete(delete) => {
                let name = delete.name.as_str();
                self.projects.write()?.remove(name)?;
                let upto = next_text(name);
                self.retain_grants((name, "", ""), (&upto, "", ""), |_| false)?;
            }
            Mutation::BlobPut(blob) => {
                let row = seal(&[&blob.sha256], blob);
                self.blobs.write()?.insert(&blob.sha256, row.as_slice())?;
                self.note(&blob.sha256);
            }
            Mutation::UserPut(user) => {
                let row = seal(&[user.name.as_bytes()], user);
                self.users
                    .write()?
                    .insert(user.name.as_str(), row.as_slice())?;
            }
            Mutation::UserDelete(delete) => {
                self.users.write()?.remove(delete.name.as_str())?;
                self.grants
                    .write()?
                    .retain(|(_, _, user), _| user != delete.name)?;
                self.delete_access(&delete.name)?;
            }
            Mutation::GrantPut(grant) => self.put_grant(grant)?,
            Mutation::TokenPut(token) => {
                let row = seal(&[&token.secret_sha256], token);
                self.tokens
                    .write()?
                    .insert(&token.secret_sha256, row.as_slice())?;
            }
            Mutation::TokenDelete(delete) => {
                self.tokens.write()?.remove(&delete.secret_sha256)?;
            }
            Mutation::SessionPut(session) => self.put_session(session)?,
            Mutation::SessionTouch(touch) => self.touch_session(touch)?,
            Mutation::SessionDelete(delete) => self.delete_session(&delete.session)?,
            Mutation::BlockPut(put) => self.put_block(put)?,
            Mutation::PackagePut(package) => self.put_package(package)?,
            Mutation::PackageDelete(delete) => self.delete_package(delete.id)?,
            Mutation::Freed(freed) => self.free(freed)?,
            Mutation::Relocated(relocated) => {
                let row = seal(&[&relocated.from.to_le_bytes()], relocated);
                self.relocated
                    .write()?
                    .insert(relocated.from, row.as_slice())?;
            }
        }
        Ok(())
    }

    fn put_repo(&mut self, repo: &Repo) -> Result<(), IndexError> {
        let (project, name) = (repo.project.as_str(), repo.name.as_str());
        let row = seal(&[project.as_bytes(), name.as_bytes()], repo);
        self.repos
            .write()?
            .insert((project, name), row.as_slice())?;
        self.used(repo.root)
    }

    fn put_grant(&mut self, grant: &Grant) -> Result<(), IndexError> {
        let key = (
            grant.project.as_str(),
            grant.repo.as_str(),
            grant.user.as_str(),
        );
        if grant.actions == 0 {
            self.grants.write()?.remove(key)?;
            return Ok(());
        }
        let row = seal(
            &[key.0.as_bytes(), key.1.as_bytes(), key.2.as_bytes()],
            grant,
        );
        self.grants.write()?.insert(key, row.as_slice())?;
        Ok(())
    }

    fn retain_grants(
        &mut self,
        from: (&str, &str, &str),
        upto: (&str, &str, &str),
        keep: impl Fn(&str) -> bool,
    ) -> Result<(), IndexError> {
        self.grants
            .write()?
            .retain_in(from..upto, |(_, _, user), _| keep(user))?;
        Ok(())
    }

    /// A node id was used: it and all below are never given out again.
    fn used(&mut self, id: NodeId) -> Result<(), IndexError> {
        let next = id.0.saturating_add(1);
        if self.next_node()? < next {
            self.set_next(NEXT_NODE, next)?;
        }
        Ok(())
    }

    fn set_next(&mut self, what: &'static str, next: u64) -> Result<(), IndexError> {
        let row = seal_bytes(&[what.as_bytes()], next.to_le_bytes().to_vec());
        self.meta.write()?.insert(what, row.as_slice())?;
        Ok(())
    }
}
