//! What casync's chunks would take if it did not compress them: its indexes tell.

use std::collections::HashMap;
use std::path::Path;

/// Header and beginning of the table: lengths, types, flags, chunk sizes.
const HEAD: usize = 48 + 16;
/// End of a chunk in the file, and its digest.
const ITEM: usize = 40;
/// What comes behind the items.
const TAIL: usize = 40;

/// Sum of the distinct chunks that all indexes of a folder name.
pub fn chunk_bytes(dir: &Path) -> u64 {
    let mut chunks: HashMap<[u8; 32], u64> = HashMap::new();
    for entry in std::fs::read_dir(dir).expect("a folder").flatten() {
        if entry.path().extension().is_none_or(|e| e != "caibx") {
            continue;
        }
        let index = std::fs::read(entry.path()).expect("an index");
        let items = &index[HEAD..index.len() - TAIL];
        assert_eq!(items.len() % ITEM, 0, "an index of casync");
        let mut start = 0;
        for item in items.chunks_exact(ITEM) {
            let (end, digest) = item.split_first_chunk::<8>().expect("an item");
            let end = u64::from_le_bytes(*end);
            chunks.insert(digest.try_into().expect("a digest"), end - start);
            start = end;
        }
    }
    chunks.values().sum()
}
