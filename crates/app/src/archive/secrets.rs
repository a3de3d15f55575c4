//! The keys in the data folder: what an archive carries of them, and how one knows that they fit.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use anyhow::Context as _;
use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest as _, Sha256};

/// The files in the data folder that hold keys.
pub(super) const NAMES: [&str; 2] = [KEYRING, "vapid"];
pub(super) const KEYRING: &str = "keyring";

/// The text of a file of keys; `None` if there is none.
pub(super) fn read(dir: &Path, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let path = dir.join(name);
    match fs::read(&path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("{} cannot be read", path.display())),
    }
}

/// What tells keys apart without telling them: the beginning of a hash of each.
pub(super) fn fingerprints(keyring: &[u8]) -> Vec<String> {
    let keys = String::from_utf8_lossy(keyring);
    let keys = keys.lines().filter_map(|line| BASE64.decode(line.split_whitespace().last()?.as_bytes()).ok());
    keys.map(|key| {
        let hash = Sha256::new().chain_update(b"hongyan keyring fingerprint\0").chain_update(key).finalize();
        HEXLOWER.encode(hash.get(..8).unwrap_or_default())
    })
    .collect()
}

/// Makes a file of keys, for its owner only; never over another.
pub(super) fn write(dir: &Path, name: &str, text: &[u8]) -> anyhow::Result<()> {
    let path = dir.join(name);
    let named = || format!("{} cannot be made", path.display());
    let mut file =
        File::options().create_new(true).write(true).mode(0o600).open(&path).with_context(named)?;
    file.write_all(text).and_then(|()| file.sync_all()).with_context(named)?;
    File::open(dir)?.sync_all().with_context(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_tell_keys_apart_and_nothing_else() {
        let one = format!("1 {}\n\n2 {}\n", BASE64.encode(&[7; 32]), BASE64.encode(&[8; 32]));
        let all = fingerprints(one.as_bytes());
        assert_eq!(all.len(), 2);
        assert_ne!(all[0], all[1]);
        assert_eq!(fingerprints(format!("9 {}", BASE64.encode(&[8; 32])).as_bytes()), [all[1].clone()]);
        assert!(all.iter().all(|f| f.len() == 16 && !one.contains(f)));
    }
}
