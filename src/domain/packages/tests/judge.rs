//! The slow and obvious judge of an RPM: it has the whole file before it, and reads it as often as
//! it likes. The reader must refuse and accept the same files.

/// Whether a file is to be accepted.
pub fn accepts(file: &[u8]) -> bool {
    judge(file).is_some()
}

/// A value: tag, type, count, where its data begins and ends.
type Value = (u32, u32, u32, usize, usize);

fn judge(file: &[u8]) -> Option<()> {
    let lead = file.get(..96)?;
    let good_lead = lead.starts_with(&[0xed, 0xab, 0xee, 0xdb])
        && (lead[4] == 3 || lead[4] == 4)
        && (lead[6..8] == [0, 0] || lead[6..8] == [0, 1])
        && lead[78..80] == [0, 5];
    require(good_lead)?;
    let (signature, data, rest) = section(&file[96..])?;
    let padding = data.len().next_multiple_of(8) - data.len();
    let rest = rest.get(padding..)?;
    for (tag, kind) in [(1000, 4), (270, 5)] {
        for (_, _, _, begin, _) in wanted(&signature, tag, kind)? {
            let bytes = &data[begin..begin + if kind == 4 { 4 } else { 8 }];
            let size = bytes
                .iter()
                .fold(0_u64, |n, &byte| n << 8 | u64::from(byte));
            require(size <= rest.len() as u64)?;
        }
    }
    let (header, _, _) = section(rest)?;
    for tag in [1000, 1001, 1002, 1022] {
        let text = wanted(&header, tag, 6)?;
        require(!text.is_empty() || tag == 1022)?;
        let short = |&(_, _, _, begin, end): &Value| end - begin <= 256;
        require(text.iter().all(short))?;
    }
    for tag in [1044, 1106] {
        require(header.iter().filter(|value| value.0 == tag).count() <= 1)?;
    }
    let one = |value: &&Value| value.0 == 1118 && value.2 == 1;
    require(
        header
            .iter()
            .filter(one)
            .all(|value| value.1 == 8 || value.1 == 9),
    )?;
    require(header.iter().filter(one).count() <= 1)?;
    Some(())
}

fn require(good: bool) -> Option<()> {
    good.then_some(())
}

/// The value of a tag, if there is one: it must be the only one, and have a type.
fn wanted(values: &[Value], tag: u32, kind: u32) -> Option<Vec<Value>> {
    let of_tag = values.iter().copied().filter(|value| value.0 == tag);
    let of_tag: Vec<_> = of_tag.collect();
    let good = of_tag.len() <= 1 && of_tag.iter().all(|value| value.1 == kind);
    good.then_some(of_tag)
}

/// The values of the header that `bytes` begin with, its data, and what follows.
fn section(bytes: &[u8]) -> Option<(Vec<Value>, &[u8], &[u8])> {
    let number = |at: usize| {
        let bytes = bytes.get(at..at + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    let (entries, data_bytes) = (number(8)?, number(12)?);
    require(bytes.starts_with(&[0x8e, 0xad, 0xe8, 1]))?;
    require((1..=8192).contains(&entries) && data_bytes <= 64 << 20)?;
    let index_end = 16 + 16 * entries as usize;
    let data = bytes.get(index_end..index_end + data_bytes as usize)?;
    let mut values = Vec::new();
    for at in (16..index_end).step_by(16) {
        let [tag, kind] = [number(at)?, number(at + 4)?];
        let [offset, count] = [number(at + 8)?, number(at + 12)?];
        let bytes = data.get(offset as usize..)?;
        require(count >= 1 && count <= data_bytes)?;
        let width = match kind {
            1 | 2 | 7 => 1,
            3 => 2,
            4 => 4,
            5 => 8,
            6 | 8 | 9 => 0,
            _ => return None,
        };
        require(kind != 6 || count == 1)?;
        require(width == 0 || offset % width == 0)?;
        let len = match width {
            0 => strings(bytes, count)?,
            width => bytes.get(..width as usize * count as usize)?.len(),
        };
        let region = at == 16 && (61..=63).contains(&tag);
        require(region || (100..=0x7fff_ffff).contains(&tag))?;
        if region {
            require(kind == 7 && count == 16 && trailer(&bytes[..16], entries))?;
        }
        values.push((tag, kind, count, offset as usize, offset as usize + len));
    }
    let without_region = values.iter().filter(|value| value.0 >= 100);
    require(without_region.is_sorted_by_key(|value| value.3))?;
    for (n, (.., begin, end)) in values.iter().enumerate() {
        let mut others = values[n + 1..].iter();
        require(others.all(|(.., other, other_end)| other_end <= begin || end <= other))?;
    }
    Some((values, data, &bytes[index_end + data_bytes as usize..]))
}

/// How long `count` strings are, with their NULs.
fn strings(bytes: &[u8], count: u32) -> Option<usize> {
    let mut nuls = bytes.iter().enumerate().filter(|&(_, &byte)| byte == 0);
    nuls.nth(count as usize - 1).map(|(at, _)| at + 1)
}

fn trailer(bytes: &[u8], entries: u32) -> bool {
    let number =
        |at: usize| i32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let back = -i64::from(number(8));
    (61..=63).contains(&number(0))
        && number(4) == 7
        && number(12) == 16
        && back % 16 == 0
        && (0..=i64::from(entries)).contains(&(back / 16))
}
