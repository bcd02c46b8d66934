//! The text of a table: unpacked, checked, and cut into records.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use super::cells;
use super::records::{Position, Record};
use crate::dataset::kind;
use crate::dataset::unpack::Expansion;
use crate::error::{Error, Result};

/// The rows of a text, one after the other, those without any value left out.
pub struct Lines {
    path: PathBuf,
    records: csv::StringRecordsIntoIter<Box<dyn Read + Send>>,
    line: u64,
    /// Rows of nothing but delimiters so far.
    pub blank: usize,
}

/// Opens a file, plain or packed with gzip (unpacked so far); `-` is stdin. Also gives back what messages call it.
pub fn open(path: &Path, expansion: Expansion) -> Result<(PathBuf, Box<dyn Read + Send>)> {
    let source: Box<dyn Read + Send> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(|error| Error::data(path, format!("cannot be read: {error}")))?)
    };
    let path = if path == Path::new("-") { Path::new("stdin") } else { path };
    let mut source = BufReader::with_capacity(1 << 16, source);
    let start = source.fill_buf().map_err(|error| unreadable(path, &error))?;
    let source: Box<dyn Read + Send> =
        if kind::is_gzip(start) { Box::new(expansion.gunzip(source)) } else { Box::new(source) };
    Ok((path.to_path_buf(), source))
}

pub fn unreadable(path: &Path, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::FileTooLarge => Error::data(path, error.to_string()),
        io::ErrorKind::UnexpectedEof => Error::data(path, "is cut off"),
        io::ErrorKind::InvalidInput => Error::data(path, format!("is damaged ({error})")),
        _ => Error::data(path, format!("cannot be read: {error}")),
    }
}

impl Lines {
    /// Rows of what [`open`] opened. Without a delimiter, the first lines tell it.
    pub fn new(path: &Path, mut source: Box<dyn Read + Send>, delimiter: Option<u8>) -> Result<(Self, u8)> {
        let head = head(&mut source).map_err(|error| unreadable(path, &error))?;
        if let Some(what) = kind::of(&head) {
            return Err(Error::data(path, format!("is {}, not a table of text{}", what.name, what.mend)));
        }
        let head = head.strip_prefix(b"\xef\xbb\xbf").map_or(&head[..], |rest| rest).to_vec();
        let delimiter = delimiter.unwrap_or_else(|| guess_delimiter(&head));
        let checked = Checked {
            inner: Cursor::new(head).chain(source),
            delimiter,
            place: Place::Start,
            line: 1,
            opened: 1,
            failed: None,
        };
        let records = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .delimiter(delimiter)
            .from_reader(Box::new(checked) as Box<dyn Read + Send>)
            .into_records();
        Ok((Self { path: path.to_path_buf(), records, line: 0, blank: 0 }, delimiter))
    }

    /// The next row, or `None` after the last.
    ///
    /// # Errors
    /// [`Error::Data`] with the line, if what follows is no text or a quote is out of place.
    pub fn next(&mut self) -> Result<Option<Record>> {
        loop {
            match self.records.next() {
                None => return Ok(None),
                Some(Ok(cells)) => {
                    self.line = cells.position().map_or(self.line + 1, csv::Position::line);
                    if cells.len() > 1 && cells.iter().all(str::is_empty) {
                        self.blank += 1;
                        continue;
                    }
                    return Ok(Some(Record { position: Position::Line(self.line), cells }));
                }
                Some(Err(error)) => return Err(self.refuse(&error)),
            }
        }
    }

    fn refuse(&self, error: &csv::Error) -> Error {
        match error.kind() {
            csv::ErrorKind::Io(error) => unreadable(&self.path, error),
            csv::ErrorKind::Utf8 { pos, .. } => {
                let line = pos.as_ref().map_or(self.line + 1, csv::Position::line);
                Error::data(&self.path, format!("line {line} is no text in UTF-8; save the table as CSV UTF-8"))
            }
            _ => {
                let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
                Error::data(&self.path, format!("after line {}: {text}", self.line))
            }
        }
    }
}

/// The start of a file: what the first reads give, and at least a line.
fn head(source: &mut dyn Read) -> io::Result<Vec<u8>> {
    const ENOUGH: usize = 1 << 20;
    let mut head = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    while !head.contains(&b'\n') && head.len() < ENOUGH {
        match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => head.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(head)
}

/// Which character separates the values: the one that cuts the first lines into equally many fields, of which most are
/// numbers. Without any, spaces do.
fn guess_delimiter(head: &[u8]) -> u8 {
    let text = String::from_utf8_lossy(head);
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).take(20).collect();
    if lines.len() > 1 && !head.ends_with(b"\n") {
        // It may be cut off.
        lines.pop();
    }
    let score = |delimiter: u8| {
        let rows: Vec<Vec<&str>> = lines.iter().map(|line| fields(line, delimiter)).collect();
        let fewest = rows.iter().map(Vec::len).min()?;
        if rows.first()?.len() < 2 {
            return None;
        }
        let is_even = rows.iter().all(|row| row.len() == rows[0].len());
        let count = rows.iter().map(Vec::len).sum::<usize>();
        // Spreadsheets of some countries write 1,5 and separate by semicolons.
        let is_number = |field: &&&str| cells::number(&field.trim().replace(',', ".")).is_some();
        let numbers = rows.iter().flatten().filter(is_number).count();
        Some((is_even && fewest > 1, numbers * 1000 / count, rows[0].len()))
    };
    let usual = [b'|', b'\t', b';', b','].into_iter().filter_map(|delimiter| Some((score(delimiter)?, delimiter)));
    let words: Vec<usize> = lines.iter().map(|line| line.split_whitespace().count()).collect();
    let are_words = words.first().is_some_and(|first| *first > 1 && words.iter().all(|count| count == first));
    match usual.max() {
        Some(((is_even, ..), delimiter)) if is_even || !are_words => delimiter,
        _ if are_words => b' ',
        _ => b',',
    }
}

/// A line's fields, quotes minded.
fn fields(line: &str, delimiter: u8) -> Vec<&str> {
    let mut is_quoted = false;
    line.split(move |c: char| {
        is_quoted ^= c == '"';
        !is_quoted && c == char::from(delimiter)
    })
    .collect()
}

/// Where a byte is.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// Of a field.
    Start,
    Plain,
    Quoted,
    /// After a quote within or at the end of a quoted field.
    AfterQuote,
}

/// Passes text on and refuses what the csv crate would read in silence: quotes that never close, or close in the middle
/// of a field, and zero bytes. Runs of spaces become one where spaces separate.
struct Checked<R> {
    inner: R,
    delimiter: u8,
    place: Place,
    /// From 1.
    line: u64,
    /// Of the last opening quote.
    opened: u64,
    failed: Option<String>,
}

impl<R> Checked<R> {
    /// What to pass on.
    fn check(&mut self, byte: u8) -> Result<Option<u8>, String> {
        let is_spaced = self.delimiter == b' ';
        let byte = if is_spaced && byte == b'\t' && self.place != Place::Quoted { b' ' } else { byte };
        let is_end = byte == b'\n' || byte == b'\r' || byte == self.delimiter;
        if byte == 0 {
            return Err(format!("line {} holds a zero byte; this is no text", self.line));
        }
        if is_spaced && byte == b' ' && self.place == Place::Start {
            return Ok(None);
        }
        self.place = match self.place {
            Place::Quoted if byte == b'"' => Place::AfterQuote,
            Place::Quoted => Place::Quoted,
            Place::AfterQuote if byte == b'"' => Place::Quoted,
            _ if is_end => Place::Start,
            Place::AfterQuote if byte == b' ' || byte == b'\t' => Place::AfterQuote,
            Place::AfterQuote => {
                let closed = if self.opened == self.line { String::new() } else { format!(" in line {}", self.line) };
                return Err(format!(
                    "line {}: a quote opens and is not closed before the end of its value (the next quote is{closed} \
                     in the middle of a value)",
                    self.opened
                ));
            }
            Place::Start if byte == b'"' => {
                self.opened = self.line;
                Place::Quoted
            }
            Place::Start | Place::Plain => Place::Plain,
        };
        self.line += u64::from(byte == b'\n');
        Ok(Some(byte))
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let refuse = |problem: &String| io::Error::new(io::ErrorKind::InvalidData, problem.clone());
        loop {
            if let Some(problem) = &self.failed {
                return Err(refuse(problem));
            }
            let count = self.inner.read(buffer)?;
            if count == 0 {
                if self.place == Place::Quoted {
                    self.failed = Some(format!("line {}: a quote opens and is never closed", self.opened));
                    continue;
                }
                return Ok(0);
            }
            let mut kept = 0;
            for index in 0..count {
                match self.check(buffer[index]) {
                    Ok(Some(byte)) => {
                        buffer[kept] = byte;
                        kept += 1;
                    }
                    Ok(None) => {}
                    Err(problem) => {
                        // What comes before is passed on first.
                        self.failed = Some(problem);
                        break;
                    }
                }
            }
            if kept > 0 {
                return Ok(kept);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_within_quotes_separates_nothing() {
        assert_eq!(guess_delimiter(b"\"a;1;b\",k\n\"c;2;d\",l\n\"e;3;f\",m\n"), b',');
        assert_eq!(guess_delimiter(b"\"a,1,b\";k\n\"c,2,d\";l\n\"e,3,f\";m\n"), b';');
    }

    fn rows(bytes: &[u8], delimiter: Option<u8>) -> Result<Vec<Vec<String>>> {
        let source = Box::new(Cursor::new(bytes.to_vec()));
        let (mut records, _) = Lines::new(Path::new("t.csv"), source, delimiter)?;
        let mut rows = Vec::new();
        while let Some(record) = records.next()? {
            rows.push(record.cells.iter().map(String::from).collect());
        }
        Ok(rows)
    }

    #[test]
    fn the_delimiter_is_what_cuts_the_lines_evenly() {
        for (text, delimiter) in [
            ("a,b\n1,2\n", b','),
            ("a;b,c;d\n1;2;3\n", b';'),
            ("1,5;2,5;a\n2,5;3,5;b\n", b';'),
            ("a\tb\n1\t2\n", b'\t'),
            ("a|b\n1|2\n", b'|'),
            ("a b\n1  2\n", b' '),
            ("\"a;b;c\",d\n1,2\n", b','),
            ("alone\n1\n", b','),
            ("sepal length,width\n1,2", b','),
        ] {
            assert_eq!(guess_delimiter(text.as_bytes()), delimiter, "{text}");
        }
        assert_eq!(rows(b"  1   2\t x \n3 4 y\n", None).unwrap(), [["1", "2", "x", ""].as_slice(), &["3", "4", "y"]]);
    }

    #[test]
    fn quotes_must_close_where_their_value_ends() {
        let fine = rows(b"\"a, b\",\"say \"\"so\"\"\"\r\n1 , \"x\" \n,\n5'10\",2\n", Some(b',')).unwrap();
        assert_eq!(fine, [["a, b", "say \"so\""], ["1", "\"x\""], ["5'10\"", "2"]]);
        let problem = |text: &str| rows(text.as_bytes(), Some(b',')).unwrap_err().to_string();
        assert_eq!(problem("a,b\n1,\"x\n2,y\n3,z\n"), "t.csv: line 2: a quote opens and is never closed");
        let second = problem("a,b\n1,\"x\n2,y\n3,\"z\n");
        assert!(second.contains("line 2: a quote opens") && second.contains("line 4"), "{second}");
        assert!(problem("a,b\n1,\"x\"y\n").contains("line 2: a quote opens"));
        assert!(problem("a,b\n1,\"").contains("line 2: a quote opens and is never closed"));
    }

    #[test]
    fn what_is_no_text_is_named_with_its_line() {
        let problem = |bytes: &[u8]| rows(bytes, None).unwrap_err().to_string();
        assert!(problem(b"a,b\n1,2\ncaf\xe9,3\n").contains("line 3 is no text in UTF-8"));
        assert!(problem(b"a,b\n1,2\n1,\x00\n").contains("line 3 holds a zero byte"));
        assert!(problem(b"\xff\xfea\x00,\x00b\x00").contains("UTF-16"));
        assert!(problem(b"PK\x03\x04...").contains("zip"));
        assert!(problem(b"PAR1....").contains("Parquet"));
    }
}
