//! Randomness, for what nobody may guess.

use super::DomainError;
use crate::store::StoreError;

/// Bytes that nobody guesses.
pub(super) fn bytes<const N: usize>() -> Result<[u8; N], DomainError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| StoreError::System(format!("no randomness: {e}")))?;
    Ok(bytes)
}
