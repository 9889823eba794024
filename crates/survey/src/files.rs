//! Reading `/proc` and `/sys`: bounded, and no more than is needed. What the texts mean belongs to whoever reads them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// The first bytes of a file, at most that many.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The lines of a file one by one, of at most that many bytes together.
pub(crate) fn lines(path: &Path, most: u64) -> io::Result<impl Iterator<Item = Vec<u8>> + use<>> {
    let reader = BufReader::with_capacity(16 << 10, File::open(path)?.take(most));
    Ok(reader.split(b'\n').map_while(Result::ok))
}

/// The processes (or of a `task` folder the threads) in a folder of `/proc`; none where it is gone.
pub(crate) fn numbers(folder: &Path) -> Vec<i32> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}
