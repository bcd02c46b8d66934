//! What a file is, by its first bytes.

/// A kind of file that is known by how it begins.
pub struct Kind {
    begins: &'static [u8],
    /// With its article.
    pub name: &'static str,
    /// What to do with it, to be put behind a message.
    pub mend: &'static str,
}

const fn kind(begins: &'static [u8], name: &'static str, mend: &'static str) -> Kind {
    Kind { begins, name, mend }
}

/// Files of columns are tables, where they are read at all.
const COLUMNS: &str = match cfg!(feature = "parquet") {
    true => "; name the file itself, unpacked",
    false => "; write it as CSV, or build asgd with --features parquet",
};

const KINDS: [Kind; 20] = [
    kind(b"PK\x03\x04", "a zip archive (as .xlsx, .ods and .npz are)", "; save a sheet as CSV, name arrays .npz"),
    kind(b"\xd0\xcf\x11\xe0", "an old Excel or Word document", "; save the sheet as CSV"),
    kind(b"PAR1", "a Parquet file", COLUMNS),
    kind(b"ARROW1", "an Arrow file", COLUMNS),
    kind(b"\xff\xff\xff\xff", "an Arrow stream", COLUMNS),
    kind(b"FEA1", "a Feather file of version 1", "; write it as version 2, Parquet or CSV"),
    kind(b"\x89HDF", "an HDF5 file", "; write it as CSV or .npz"),
    kind(b"\x93NUMPY", "a NumPy array", "; save x_train, y_train, x_test and y_test into an .npz"),
    kind(b"\x80\x04\x95", "a Python pickle", "; write it as CSV or .npz"),
    kind(b"\x80\x05\x95", "a Python pickle", "; write it as CSV or .npz"),
    kind(b"SQLite format 3", "an SQLite database", "; export the table as CSV"),
    kind(b"\x1f\x8b", "a gzip file in a gzip file", ""),
    kind(b"BZh", "a bzip2 file", "; unpack it"),
    kind(b"\xfd7zXZ", "an xz file", "; unpack it"),
    kind(b"\x28\xb5\x2f\xfd", "a Zstandard file", "; unpack it"),
    kind(b"%PDF", "a PDF", ""),
    kind(b"\x89PNG", "an image", ""),
    kind(b"\xff\xd8\xff", "an image", ""),
    kind(b"\xff\xfe", "text in UTF-16", "; save it as CSV UTF-8"),
    kind(b"\xfe\xff", "text in UTF-16", "; save it as CSV UTF-8"),
];

const HTML: Kind = kind(b"<", "a web page or other markup", "; download the table itself");
const IDX: Kind = kind(b"\0\0", "an IDX file", "; to train, name the folder of the four files");

/// What begins so, if it is something known.
pub fn of(start: &[u8]) -> Option<&'static Kind> {
    if let Some(kind) = KINDS.iter().find(|kind| start.starts_with(kind.begins)) {
        return Some(kind);
    }
    if begins_idx(start) {
        return Some(&IDX);
    }
    let text = start.iter().position(|byte| !byte.is_ascii_whitespace()).map_or(&[][..], |first| &start[first..]);
    let is_markup =
        [&b"<!DOCTYPE"[..], b"<!doctype", b"<html", b"<HTML", b"<?xml"].iter().any(|tag| text.starts_with(tag));
    is_markup.then_some(&HTML)
}

/// Whether these are the first bytes of a gzip file.
pub fn is_gzip(start: &[u8]) -> bool {
    start.starts_with(b"\x1f\x8b")
}

/// What a file is, with its article and what to do with it, if its first bytes tell.
///
/// # Errors
/// If it cannot be read.
pub fn what_is(path: &std::path::Path) -> std::io::Result<Option<String>> {
    use std::io::Read;
    let mut start = Vec::new();
    std::fs::File::open(path)?.take(512).read_to_end(&mut start)?;
    if is_gzip(&start) {
        return Ok(Some("a gzip file; packed tables end in .csv.gz, .tsv.gz, .txt.gz or .data.gz".into()));
    }
    Ok(match of(&start) {
        Some(kind) => Some(format!("{}{}", kind.name, kind.mend)),
        None if start.is_empty() => Some("an empty file".into()),
        None if std::str::from_utf8(&start)
            .or_else(|error| match error.error_len() {
                None => Ok(""),
                Some(_) => Err(error),
            })
            .is_ok_and(|text| !text.contains('\0')) =>
        {
            Some("a text file; tables end in .csv, .tsv, .txt or .data, plain or with .gz".into())
        }
        None => None,
    })
}

fn begins_idx(start: &[u8]) -> bool {
    start.len() > 4 && start.starts_with(b"\0\0") && (8..=14).contains(&start[2]) && (1..9).contains(&start[3])
}

/// Whether a file is an IDX file, plain or packed with gzip.
pub fn is_idx(path: &std::path::Path) -> bool {
    use std::io::Read;
    let start = |source: &mut dyn Read| {
        let mut start = Vec::new();
        // What cannot be read is none.
        let _ = source.take(5).read_to_end(&mut start);
        start
    };
    let Ok(mut file) = std::fs::File::open(path) else { return false };
    let plain = start(&mut file);
    if !is_gzip(&plain) {
        return begins_idx(&plain);
    }
    let Ok(file) = std::fs::File::open(path) else { return false };
    begins_idx(&start(&mut flate2::read::MultiGzDecoder::new(std::io::BufReader::new(file))))
}
