//! What is packed, unpacked no further than it is sound to.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

/// How many times its packed size a file may take: more is only what was made to fill memory, or nearly nothing but equal bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expansion(pub u64);

/// So much is unpacked whatever the size, because it does no harm.
const HARMLESS_BYTES: u64 = 16 << 20;

impl Default for Expansion {
    fn default() -> Self {
        Self(200)
    }
}

impl Expansion {
    /// Refuses what unpacks to more, in words that follow a file's name.
    ///
    /// # Errors
    /// With the limit, and the option that lifts it.
    pub fn check(self, packed: u64, unpacked: u128) -> Result<(), String> {
        let Self(times) = self;
        if unpacked > u128::from(self.limit(packed)) {
            return Err(format!(
                "unpacks to more than {times} times its size, as what is damaged or made to fill memory does; if you trust it, lift the limit \
                 with --max-expansion"
            ));
        }
        Ok(())
    }

    fn limit(self, packed: u64) -> u64 {
        packed.saturating_mul(self.0).max(HARMLESS_BYTES)
    }

    /// Unpacks gzip.
    pub fn gunzip(self, packed: impl BufRead + Send) -> impl Read + Send {
        let read = Arc::new(AtomicU64::new(0));
        let inner = MultiGzDecoder::new(Counted { inner: packed, count: Arc::clone(&read) });
        Unpacked { inner, packed: read, unpacked: 0, expansion: self }
    }
}

/// Counts what is taken out of it.
struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.count.fetch_add(amount as u64, Ordering::Relaxed);
        self.inner.consume(amount);
    }
}

/// Ends with an error where too much comes out.
struct Unpacked<R> {
    inner: R,
    /// Bytes that went in so far.
    packed: Arc<AtomicU64>,
    unpacked: u64,
    expansion: Expansion,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.unpacked += count as u64;
        let checked = self.expansion.check(self.packed.load(Ordering::Relaxed), self.unpacked.into());
        checked.map_err(|problem| io::Error::new(io::ErrorKind::FileTooLarge, problem))?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn a_bomb_is_refused_and_a_large_file_is_not() {
        let packed = |bytes: u64| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            io::copy(&mut io::repeat(b'0').take(bytes), &mut encoder).unwrap();
            encoder.flush().unwrap();
            encoder.finish().unwrap()
        };
        let unpack =
            |expansion: Expansion, packed: Vec<u8>| io::copy(&mut expansion.gunzip(&packed[..]), &mut io::sink());
        // Harmless, though a thousand times its size would not be.
        assert_eq!(unpack(Expansion(1), packed(1 << 20)).unwrap(), 1 << 20);
        let bomb = packed(2 * HARMLESS_BYTES);
        let error = unpack(Expansion::default(), bomb.clone()).unwrap_err();
        assert!(error.to_string().contains("200 times") && error.to_string().contains("--max-expansion"), "{error}");
        assert_eq!(unpack(Expansion(2000), bomb).unwrap(), 2 * HARMLESS_BYTES);
    }

    #[test]
    fn the_limit_is_reached_and_not_passed() {
        let limit = 3 * HARMLESS_BYTES;
        assert!(Expansion(3).check(HARMLESS_BYTES, limit.into()).is_ok());
        assert!(Expansion(3).check(HARMLESS_BYTES, u128::from(limit) + 1).is_err());
        assert!(Expansion(u64::MAX).check(2, u128::from(u64::MAX)).is_ok());
    }
}
