//! What a mutation does to the rows. Can fail only by I/O; whether a mutation makes sense was
//! decided before it was written.

use super::IndexError;
use super::query::Rows;
use super::row::{seal, seal_bytes};
use super::tables::{NEXT_NODE, Tables};
use crate::format::meta::{Mutation, NodeId};

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
                    .insert(project.name.as_str(), row.as_slice())?;
            }
            Mutation::RepoPut(repo) => {
                let (project, name) = (repo.project.as_str(), repo.name.as_str());
                let row = seal(&[project.as_bytes(), name.as_bytes()], repo);
                self.repos.insert((project, name), row.as_slice())?;
                self.used(repo.root)?;
            }
            Mutation::NodePut(put) => {
                let parent = put.parent.0;
                let row = seal(&[&parent.to_le_bytes(), put.name.as_bytes()], &put.node);
                self.nodes
                    .insert((parent, put.name.as_str()), row.as_slice())?;
                self.used(put.node.id)?;
            }
            Mutation::NodeDelete(delete) => {
                self.nodes.remove((delete.parent.0, delete.name.as_str()))?;
            }
            Mutation::BlobPut(blob) => {
                let row = seal(&[&blob.sha256], blob);
                self.blobs.insert(&blob.sha256, row.as_slice())?;
            }
            Mutation::UserPut(user) => {
                let row = seal(&[user.name.as_bytes()], user);
                self.users.insert(user.name.as_str(), row.as_slice())?;
            }
            Mutation::Relocated(relocated) => {
                let row = seal(&[&relocated.from.to_le_bytes()], relocated);
                self.relocated.insert(relocated.from, row.as_slice())?;
            }
        }
        Ok(())
    }

    /// A node id was used: it and all below are never given out again.
    fn used(&mut self, id: NodeId) -> Result<(), IndexError> {
        let next = id.0.saturating_add(1);
        if self.next_node()? < next {
            let row = seal_bytes(&[NEXT_NODE.as_bytes()], next.to_le_bytes().to_vec());
            self.meta.insert(NEXT_NODE, row.as_slice())?;
        }
        Ok(())
    }
}
