//! Large things sealed in chunks (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár 2015).
//!
//! Each chunk of 64 KiB is sealed by itself, so that a range is opened without what is before it. Its nonce
//! holds the chunk's number and whether it is the last one, its associated data the length of the whole: a
//! chunk cannot be moved, left out, repeated or cut off. A key seals one thing only, once per `part`.

use std::ops::Range;

use chacha20poly1305::aead::AeadInOut as _;

use super::{CannotOpen, Key};

/// So many plain bytes are in a chunk, the last one apart.
pub const CHUNK: usize = 64 * 1024;
/// So much longer is a chunk when it is sealed.
pub const TAG: usize = 16;

const PLAIN: u64 = CHUNK as u64;
const SEALED: u64 = (CHUNK + TAG) as u64;

/// The chunks of one thing of a known length.
#[derive(Debug, Clone)]
pub struct Chunks {
    key: Key,
    part: u8,
    total: u64,
}

impl Chunks {
    /// Of a thing with `total` plain bytes. `part` tells things apart that have one key (a file and its
    /// thumbnail).
    #[must_use]
    pub fn new(key: Key, part: u8, total: u64) -> Self {
        Self { key, part, total }
    }

    /// Of a thing that is `sealed` bytes long when it is sealed; `None` if nothing is.
    #[must_use]
    pub fn of_sealed(key: Key, part: u8, sealed: u64) -> Option<Self> {
        Some(Self::new(key, part, Self::plain_len(sealed)?))
    }

    /// How long a thing is that is `sealed` bytes long when it is sealed; `None` if nothing is.
    #[must_use]
    pub fn plain_len(sealed: u64) -> Option<u64> {
        let rest = sealed % SEALED;
        // One chunk is always there, so that emptiness is sealed too; no further one is empty.
        let empty_last = rest == TAG as u64 && sealed > SEALED;
        if sealed == 0 || (rest > 0 && rest < TAG as u64) || empty_last {
            return None;
        }
        sealed.checked_sub(sealed.div_ceil(SEALED) * TAG as u64)
    }

    /// The length of the whole in plain bytes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many chunks there are; at least one.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.total.div_ceil(PLAIN).max(1)
    }

    /// The chunks that hold these plain bytes.
    #[must_use]
    pub fn holding(&self, range: &Range<u64>) -> Range<u64> {
        let end = range.end.min(self.total);
        if range.start >= end {
            return 0..0;
        }
        range.start / PLAIN..end.div_ceil(PLAIN)
    }

    /// Where a chunk lies in the sealed thing, in bytes.
    #[must_use]
    pub fn place(&self, number: u64) -> Range<u64> {
        let start = number.saturating_mul(SEALED);
        start..start.saturating_add(self.len(number)).saturating_add(TAG as u64)
    }

    /// How many plain bytes a chunk has.
    fn len(&self, number: u64) -> u64 {
        self.total.saturating_sub(number.saturating_mul(PLAIN)).min(PLAIN)
    }

    /// Seals chunk `number` in place; `bytes` must be all of it.
    ///
    /// # Errors
    /// [`CannotOpen`] if it is not as long as this chunk is.
    pub fn seal(&self, number: u64, bytes: &mut Vec<u8>) -> Result<(), CannotOpen> {
        if bytes.len() as u64 != self.len(number) || number >= self.count() {
            return Err(CannotOpen);
        }
        let (nonce, whole) = self.bound_to(number);
        self.key.cipher().encrypt_in_place(&nonce.into(), &whole, bytes).map_err(|_| CannotOpen)
    }

    /// Opens chunk `number` in place.
    ///
    /// # Errors
    /// [`CannotOpen`]
    pub fn open(&self, number: u64, bytes: &mut Vec<u8>) -> Result<(), CannotOpen> {
        if number >= self.count() {
            return Err(CannotOpen);
        }
        let (nonce, whole) = self.bound_to(number);
        self.key.cipher().decrypt_in_place(&nonce.into(), &whole, bytes).map_err(|_| CannotOpen)
    }

    /// Nonce and associated data of a chunk. The nonce needs no randomness, since the key is used for nothing
    /// else.
    fn bound_to(&self, number: u64) -> ([u8; 24], [u8; 8]) {
        let last = u8::from(number + 1 == self.count());
        let mut nonce = [0; 24];
        for (to, from) in nonce.iter_mut().zip([self.part, last].into_iter().chain(number.to_be_bytes())) {
            *to = from;
        }
        (nonce, self.total.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: [u8; 32] = [5; 32];

    fn bytes(total: usize) -> Vec<u8> {
        (0..total).map(|n| u8::try_from(n * 31 % 251).unwrap()).collect()
    }

    fn sealed(plain: &[u8]) -> Vec<Vec<u8>> {
        let chunks = Chunks::new(KEY.into(), 0, plain.len() as u64);
        let mut parts: Vec<Vec<u8>> = plain.chunks(CHUNK).map(<[u8]>::to_vec).collect();
        if parts.is_empty() {
            parts.push(Vec::new());
        }
        for (n, part) in (0..).zip(&mut parts) {
            chunks.seal(n, part).unwrap();
        }
        parts
    }

    /// All of it, if it can be opened as one thing of its length.
    fn opened(parts: &[Vec<u8>]) -> Option<Vec<u8>> {
        let whole = parts.concat();
        let chunks = Chunks::of_sealed(KEY.into(), 0, whole.len() as u64)?;
        let mut plain = Vec::new();
        for n in 0..chunks.count() {
            let at = chunks.place(n);
            let mut part =
                whole.get(usize::try_from(at.start).ok()?..usize::try_from(at.end).ok()?)?.to_vec();
            chunks.open(n, &mut part).ok()?;
            plain.extend(part);
        }
        Some(plain)
    }

    #[test]
    fn lengths_around_the_boundaries() {
        for total in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 3 * CHUNK + 7] {
            let plain = bytes(total);
            let parts = sealed(&plain);
            let length = parts.concat().len() as u64;
            assert_eq!(Chunks::plain_len(length), Some(total as u64));
            assert_eq!(opened(&parts).unwrap(), plain);
        }
        for impossible in [0, 1, 15, SEALED + 1, SEALED + 15, SEALED + 16, 2 * SEALED + 16] {
            assert_eq!(Chunks::plain_len(impossible), None, "{impossible}");
        }
    }

    #[test]
    fn another_part_or_key_does_not_open() {
        let parts = sealed(b"a letter's picture");
        let mut other = parts[0].clone();
        assert!(Chunks::new(KEY.into(), 1, 18).open(0, &mut other).is_err());
        assert!(Chunks::new([6; 32].into(), 0, 18).open(0, &mut other).is_err());
        assert!(Chunks::new(KEY.into(), 0, 18).open(1, &mut other).is_err());
        assert!(Chunks::new(KEY.into(), 0, 18).seal(0, &mut vec![0; 17]).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Whatever is done to the chunks (cut, swapped, repeated, left out, bent), nothing opens but the
        /// original.
        #[test]
        fn only_the_original_opens(
            total in 0_usize..4 * CHUNK, cut in 0_usize..3 * CHUNK, (a, b) in (0_usize..4, 0_usize..4),
            what in 0..5, bit in 0_u8..8,
        ) {
            let plain = bytes(total);
            let original = sealed(&plain);
            let mut parts = original.clone();
            let (a, b) = (a % parts.len(), b % parts.len());
            match what {
                0 => parts.swap(a, b),
                1 => parts.insert(a, original[b].clone()),
                2 => drop(parts.remove(a)),
                3 => {
                    let at = cut % parts[a].len();
                    parts[a][at] ^= 1 << bit;
                }
                _ => {
                    let whole = original.concat();
                    parts = vec![whole[..cut % whole.len()].to_vec()];
                }
            }
            if parts == original {
                prop_assert_eq!(opened(&parts), Some(plain));
            } else {
                prop_assert_eq!(opened(&parts), None);
            }
        }

        /// A range is in the chunks that are said to hold it.
        #[test]
        fn ranges_are_held(total in 0_u64..400_000, start in 0_u64..400_000, length in 0_u64..200_000) {
            let chunks = Chunks::new(KEY.into(), 0, total);
            let range = start..start + length;
            let held = chunks.holding(&range);
            for at in [range.start, range.end.saturating_sub(1).max(range.start)] {
                if length > 0 && at < total {
                    prop_assert!(held.contains(&(at / PLAIN)));
                }
            }
            prop_assert!(held.end <= chunks.count());
        }
    }
}
