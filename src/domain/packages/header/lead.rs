//! The lead: the 96 bytes that an RPM begins with.
//!
//! `{magic [u8; 4], major u8, minor u8, type u16, arch u16, name [u8; 66], os u16, signature u16,
//! reserved [u8; 16]}`, big-endian. All but the magic, the major version, the type and the kind of
//! signature are out of use: current writers leave zeroes there.

use super::super::PackageError;
use super::gather::u16_at;

/// Length of the lead in bytes.
pub const LEAD_BYTES: usize = 96;

/// What every RPM begins with.
pub const LEAD_MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];

/// A signature that is written as a header is, which is the only kind since 1997.
pub const HEADER_SIGNATURE: u8 = 5;

/// Checks a lead, and says whether it is that of a source package.
///
/// # Errors
/// [`PackageError::Magic`], or [`PackageError::Unreadable`] for a lead that librpm refuses too, or
/// with a type that is neither binary nor source.
pub fn check(lead: &[u8; LEAD_BYTES]) -> Result<bool, PackageError> {
    let [_, _, _, _, major, ..] = *lead;
    if !lead.starts_with(&LEAD_MAGIC) {
        return Err(PackageError::Magic);
    }
    let refused = |why: String| Err(PackageError::Unreadable(why));
    if !(3..=4).contains(&major) {
        return refused(format!("the lead has format {major}, which is not 3 or 4"));
    }
    let signature = u16_at(lead, 78);
    if signature != u16::from(HEADER_SIGNATURE) {
        return refused(format!("the lead names signature type {signature}"));
    }
    match u16_at(lead, 6) {
        0 => Ok(false),
        1 => Ok(true),
        other => refused(format!("the lead names package type {other}")),
    }
}
