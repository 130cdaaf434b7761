//! The records of a CSV file (RFC 4180), one after the other, each with the line it begins on.
//!
//! The crate `csv` reads whatever it is given: a quote that is never closed swallows the rest of the file as one field, and
//! memory with it. Here such a record is [`Record::Broken`], and reading goes on with the line after the one it began on,
//! so one bad line costs one row. A quote is broken when the file ends inside of it, when it is longer than [`LONGEST`], or
//! when other text follows where it closes. A quote within an unquoted field is an ordinary letter.

use std::io::{self, Read};

/// Bytes of a record at most: several times what a task can hold.
pub(crate) const LONGEST: usize = 1024 * 1024;

const PIECE: usize = 64 * 1024;

/// One record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// Its fields, without their quotes.
    Fields {
        /// The line it begins on, from 1.
        line: u64,
        /// At least one.
        fields: Vec<Vec<u8>>,
    },
    /// It cannot be read.
    Broken {
        /// The line it begins on.
        line: u64,
        /// What is wrong.
        reason: &'static str,
    },
}

/// See the head of the file.
pub(crate) struct Records<R> {
    input: R,
    delimiter: u8,
    buffer: Vec<u8>,
    start: usize,
    ended: bool,
    line: u64,
}

enum Split {
    /// The fields, and how many bytes they took with their line break.
    Whole(Vec<Vec<u8>>, usize),
    /// More bytes are needed to tell.
    Partial,
    Broken(&'static str),
}

const UNCLOSED: &str = "a quote that is opened in this row is never closed; double a quote that belongs to the text";
const AFTER: &str = "there is text after a closing quote; double a quote that belongs to the text";
const TOO_LONG: &str = "the row is longer than 1 MiB, or a quote that it opens is not closed";

impl<R: Read> Records<R> {
    /// Finds the delimiter in the first line: the most frequent of comma, semicolon and tab, or what `sep=` names.
    ///
    /// # Errors
    /// Those of `input`.
    pub(crate) fn new(input: R) -> io::Result<Self> {
        let mut records = Self {
            input,
            delimiter: b',',
            buffer: Vec::new(),
            start: 0,
            ended: false,
            line: 1,
        };
        while !records.ended && records.buffer.len() < LONGEST && line_end(&records.buffer).is_none() {
            records.fill()?;
        }
        let first = &records.buffer[..line_end(&records.buffer).map_or(records.buffer.len(), |(end, _)| end)];
        if let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] = *first {
            records.delimiter = delimiter;
            records.skip_line()?;
        } else {
            let mut quoted = false;
            let mut counts = [(b',', 0_usize), (b';', 0), (b'\t', 0)];
            for byte in first {
                quoted ^= *byte == b'"';
                if let Some((_, count)) = counts.iter_mut().find(|(mark, _)| mark == byte && !quoted) {
                    *count += 1;
                }
            }
            // Of equals the first, for a file with one column.
            let most = counts.iter().rev().max_by_key(|(_, count)| *count);
            records.delimiter = most.map_or(b',', |(mark, _)| *mark);
        }
        Ok(records)
    }

    /// The next record that is not an empty line; `None` at the end.
    ///
    /// # Errors
    /// Those of the input.
    pub(crate) fn next(&mut self) -> io::Result<Option<Record>> {
        loop {
            let rest = &self.buffer[self.start..];
            if rest.is_empty() && self.ended {
                return Ok(None);
            }
            let line = self.line;
            match split(rest, self.delimiter, self.ended) {
                Split::Whole(fields, used) => {
                    self.pass(used);
                    if fields.len() > 1 || !fields[0].is_empty() {
                        return Ok(Some(Record::Fields { line, fields }));
                    }
                }
                Split::Partial if rest.len() < LONGEST => self.fill()?,
                Split::Partial => {
                    self.skip_line()?;
                    return Ok(Some(Record::Broken { line, reason: TOO_LONG }));
                }
                Split::Broken(reason) => {
                    self.skip_line()?;
                    return Ok(Some(Record::Broken { line, reason }));
                }
            }
        }
    }

    fn pass(&mut self, count: usize) {
        let passed = &self.buffer[self.start..self.start + count];
        let breaks = passed
            .iter()
            .enumerate()
            .filter(|(place, byte)| **byte == b'\n' || (**byte == b'\r' && passed.get(place + 1) != Some(&b'\n')));
        self.line += breaks.count() as u64;
        self.start += count;
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            if let Some((_, next)) = line_end(&self.buffer[self.start..]) {
                self.pass(next);
                return Ok(());
            }
            self.start = self.buffer.len();
            if self.ended {
                return Ok(());
            }
            self.fill()?;
        }
    }

    /// Gets more bytes, forgetting those of records that were read.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let before = self.buffer.len();
        self.buffer.resize(before + PIECE, 0);
        let count = self.input.read(&mut self.buffer[before..])?;
        self.buffer.truncate(before + count);
        self.ended = count == 0;
        Ok(())
    }
}

/// Where the first line ends and the next one begins.
fn line_end(bytes: &[u8]) -> Option<(usize, usize)> {
    let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
    let next = if bytes[end] == b'\r' && bytes.get(end + 1) == Some(&b'\n') {
        end + 2
    } else {
        end + 1
    };
    Some((end, next))
}

fn split(bytes: &[u8], delimiter: u8, ended: bool) -> Split {
    let mut fields = Vec::new();
    let mut place = 0;
    loop {
        let field = if bytes.get(place) == Some(&b'"') {
            match quoted(&bytes[place + 1..], delimiter, ended) {
                Ok((field, used)) => {
                    place += 1 + used;
                    field
                }
                Err(other) => return other,
            }
        } else {
            let rest = &bytes[place..];
            let end = rest
                .iter()
                .position(|byte| *byte == delimiter || matches!(byte, b'\n' | b'\r'));
            match end {
                None if !ended => return Split::Partial,
                end => {
                    let end = end.unwrap_or(rest.len());
                    place += end;
                    rest[..end].to_vec()
                }
            }
        };
        fields.push(field);
        match bytes.get(place) {
            Some(byte) if *byte == delimiter => place += 1,
            Some(b'\r') => match bytes.get(place + 1) {
                Some(b'\n') => return Split::Whole(fields, place + 2),
                // Whether a line feed follows shows with the next bytes.
                None if !ended => return Split::Partial,
                _ => return Split::Whole(fields, place + 1),
            },
            Some(_) => return Split::Whole(fields, place + 1),
            None if ended => return Split::Whole(fields, place),
            None => return Split::Partial,
        }
    }
}

/// The text of a quoted field that begins with `bytes`, and how many bytes it took with its closing quote.
fn quoted(bytes: &[u8], delimiter: u8, ended: bool) -> Result<(Vec<u8>, usize), Split> {
    let mut field = Vec::new();
    let mut place = 0;
    loop {
        let Some(quote) = bytes[place..].iter().position(|byte| *byte == b'"') else {
            return Err(if ended { Split::Broken(UNCLOSED) } else { Split::Partial });
        };
        field.extend_from_slice(&bytes[place..place + quote]);
        place += quote + 1;
        match bytes.get(place) {
            Some(b'"') => {
                field.push(b'"');
                place += 1;
            }
            Some(byte) if *byte == delimiter || matches!(byte, b'\n' | b'\r') => return Ok((field, place)),
            Some(_) => return Err(Split::Broken(AFTER)),
            None if ended => return Ok((field, place)),
            None => return Err(Split::Partial),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(bytes: &[u8]) -> Vec<Record> {
        let mut records = Records::new(bytes).unwrap();
        std::iter::from_fn(|| records.next().unwrap()).collect()
    }

    fn row(line: u64, fields: &[&str]) -> Record {
        let fields = fields.iter().map(|field| field.as_bytes().to_vec()).collect();
        Record::Fields { line, fields }
    }

    fn broken(line: u64, reason: &'static str) -> Record {
        Record::Broken { line, reason }
    }

    #[test]
    fn a_quote_that_is_never_closed_costs_one_row() {
        let found = all(b"id,title\n1,\"never closed\n2,fine\n3,fine\n");
        let rest = [row(3, &["2", "fine"]), row(4, &["3", "fine"])];
        assert_eq!(found[1], broken(2, UNCLOSED));
        assert_eq!(found[2..], rest);
    }

    #[test]
    fn a_quote_that_the_next_row_would_close_costs_one_row_too() {
        let found = all(b"id,title\n1,\"open\n2,\"closed\"\n3,fine\n");
        assert_eq!(found[1], broken(2, AFTER));
        assert_eq!(found[2..], [row(3, &["2", "closed"]), row(4, &["3", "fine"])]);
    }

    #[test]
    fn a_row_without_end_is_cut_off_and_read_on_after_it() {
        let mut file = b"title\n\"".to_vec();
        file.extend(std::iter::repeat_n(b'x', 3 * LONGEST));
        file.extend_from_slice(b"\nfine\n");
        assert_eq!(all(&file)[1..], [broken(2, TOO_LONG), row(3, &["fine"])]);
    }

    #[test]
    fn the_delimiter_is_found_in_the_first_line_outside_of_quotes() {
        assert_eq!(all(b"\"a,b,c\";d\n1;2"), [row(1, &["a,b,c", "d"]), row(2, &["1", "2"])]);
        assert_eq!(all(b"a\tb\n1\t2"), [row(1, &["a", "b"]), row(2, &["1", "2"])]);
        assert_eq!(all(b"sep=|\na|b"), [row(2, &["a", "b"])]);
        assert_eq!(all(b"title"), [row(1, &["title"])]);
    }

    #[test]
    fn line_breaks_of_any_kind_end_rows_and_empty_lines_are_none() {
        let found = all(b"a,b\r\n\r\n1,\"x\r\ny\"\r2,z\n\n");
        assert_eq!(
            found,
            [row(1, &["a", "b"]), row(3, &["1", "x\r\ny"]), row(5, &["2", "z"])]
        );
        assert_eq!(all(b""), []);
    }

    proptest! {
        #[test]
        fn whatever_the_csv_crate_writes_is_read_back(
            rows in prop::collection::vec(prop::collection::vec("[ab\"',;\r\n\té=]{0,8}", 3), 1..20)
        ) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(["x", "y", "z"]).unwrap();
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let read: Vec<Vec<String>> = all(&writer.into_inner().unwrap())
                .into_iter()
                .skip(1)
                .map(|record| match record {
                    Record::Fields { fields, .. } => fields.into_iter().map(|field| String::from_utf8(field).unwrap()).collect(),
                    Record::Broken { line, reason } => panic!("line {line}: {reason}"),
                })
                .collect();
            prop_assert_eq!(read, rows);
        }

        #[test]
        fn no_bytes_make_it_fail_or_go_on_for_ever(bytes in prop::collection::vec(prop::sample::select(b"a\",;\r\n\xff".to_vec()), 0..300)) {
            let lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).count();
            prop_assert!(all(&bytes).len() <= lines);
        }
    }
}
