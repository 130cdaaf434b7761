//! Text in whatever encoding, as UTF-8.
//!
//! A byte order mark decides; without one the encoding that the sender names, else UTF-8. UTF-8 goes through as it is, so
//! that the row with a byte that is none can be told. Everything is decoded piece by piece.

use std::io::{self, Read};

use encoding_rs::{Decoder, Encoding, UTF_8};

const PIECE: usize = 16 * 1024;

/// The bytes of a text, decoded.
pub(crate) struct Decoded<R> {
    inner: R,
    /// Absent for UTF-8.
    decoder: Option<Decoder>,
    raw: Vec<u8>,
    text: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R: Read> Decoded<R> {
    /// Looks at the beginning of `inner`; answers the encoding that was chosen.
    ///
    /// # Errors
    /// Those of `inner`.
    pub(crate) fn new(mut inner: R, named: Option<&'static Encoding>) -> io::Result<(Self, &'static Encoding)> {
        let mut start = Vec::with_capacity(PIECE);
        inner.by_ref().take(3).read_to_end(&mut start)?;
        let (encoding, mark) = Encoding::for_bom(&start).unwrap_or((named.unwrap_or(UTF_8), 0));
        start.drain(..mark);
        let mut decoded = Self {
            inner,
            decoder: (encoding != UTF_8).then(|| encoding.new_decoder_without_bom_handling()),
            raw: Vec::new(),
            text: Vec::new(),
            given: 0,
            ended: false,
        };
        decoded.decode(&start, false);
        decoded.raw = vec![0; PIECE];
        Ok((decoded, encoding))
    }

    fn decode(&mut self, raw: &[u8], last: bool) {
        self.text.clear();
        self.given = 0;
        match &mut self.decoder {
            None => self.text.extend_from_slice(raw),
            Some(decoder) => {
                let most = decoder.max_utf8_buffer_length(raw.len()).unwrap_or(4 * raw.len() + 16);
                self.text.resize(most, 0);
                let (_, _, written, _) = decoder.decode_to_utf8(raw, &mut self.text, last);
                self.text.truncate(written);
            }
        }
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() {
            if self.ended {
                return Ok(0);
            }
            let mut raw = std::mem::take(&mut self.raw);
            let count = self.inner.read(&mut raw)?;
            self.ended = count == 0;
            self.decode(&raw[..count], self.ended);
            self.raw = raw;
        }
        let count = into.len().min(self.text.len() - self.given);
        into[..count].copy_from_slice(&self.text[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use encoding_rs::WINDOWS_1252;

    use super::*;

    fn text(bytes: &[u8], named: Option<&'static Encoding>) -> String {
        let (mut decoded, _) = Decoded::new(bytes, named).unwrap();
        let mut text = String::new();
        decoded.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_byte_order_mark_decides_whatever_was_named() {
        assert_eq!(text(b"\xEF\xBB\xBFtitle", Some(WINDOWS_1252)), "title");
        assert_eq!(text(b"\xFF\xFEt\0\xFC\0", None), "tü");
        assert_eq!(text(b"\xFE\xFF\0t\0\xFC", None), "tü");
    }

    #[test]
    fn without_a_mark_the_named_encoding_counts() {
        assert_eq!(text(b"Gr\xF6\xDFe", Some(WINDOWS_1252)), "Größe");
        assert_eq!(text("Größe".as_bytes(), None), "Größe");
        assert_eq!(text(b"", None), "");
    }

    #[test]
    fn a_text_of_many_pieces_is_decoded_as_a_whole() {
        let long: String = "naïve €".repeat(20_000);
        let utf_16: Vec<u8> = [0xFEFF]
            .into_iter()
            .chain(long.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(text(&utf_16, None), long);
    }
}
