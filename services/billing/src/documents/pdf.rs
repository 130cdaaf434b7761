//! The invoice as a PDF of A4 pages, with a subset of the font in it, so that names look the same everywhere and can be
//! copied and searched.
//!
//! Amounts are put flush right by figure spaces, which are as wide as a digit. A letter that the font lacks is drawn as a box;
//! the HTML has it.

use krilla::{
    Document, SerializeSettings,
    geom::Point,
    metadata::Metadata,
    page::PageSettings,
    surface::Surface,
    text::{Font, TextDirection},
};

use super::{DocumentError, Sheet};

/// A4, in points.
const WIDTH: f32 = 595.28;
const HEIGHT: f32 = 841.89;
const LEFT: f32 = 56.0;
const TOP: f32 = 64.0;
const BOTTOM: f32 = 780.0;
/// Where the columns of amounts begin.
const COLUMNS: [f32; 3] = [320.0, 400.0, 475.0];
/// The longest amount: `-999999.999`
const DIGITS: usize = 12;

/// One line of text, top to bottom.
struct Entry {
    size: f32,
    text: String,
    amounts: Vec<String>,
}

impl Entry {
    fn height(&self) -> f32 {
        self.size * 1.5
    }
}

pub(super) fn draw(font: &Font, sheet: &Sheet, settings: SerializeSettings) -> Result<Vec<u8>, DocumentError> {
    let mut document = Document::new_with(settings);
    document.set_metadata(
        Metadata::new()
            .title(format!("Invoice {}", sheet.number))
            .authors(vec![sheet.seller.name.clone()])
            .language("en".to_owned()),
    );
    let size =
        PageSettings::from_wh(WIDTH, HEIGHT).ok_or_else(|| DocumentError::Pdf("the size of a page".to_owned()))?;
    for entries in pages(entries(sheet)) {
        let mut page = document.start_page_with(size.clone());
        let mut surface = page.surface();
        let mut y = TOP;
        for entry in entries {
            write(&mut surface, font, LEFT, y, entry.size, &entry.text);
            for (x, amount) in COLUMNS.iter().zip(&entry.amounts) {
                write(&mut surface, font, *x, y, entry.size, amount);
            }
            y += entry.height();
        }
        surface.finish();
        page.finish();
    }
    document
        .finish()
        .map_err(|error| DocumentError::Pdf(format!("{error:?}")))
}

fn write(surface: &mut Surface<'_>, font: &Font, x: f32, y: f32, size: f32, text: &str) {
    if !text.is_empty() {
        surface.draw_text(
            Point::from_xy(x, y),
            font.clone(),
            size,
            text,
            false,
            TextDirection::Auto,
        );
    }
}

/// Cuts the lines into pages.
fn pages(entries: Vec<Entry>) -> Vec<Vec<Entry>> {
    let mut pages = vec![Vec::new()];
    let mut y = TOP;
    for entry in entries {
        if y > BOTTOM {
            pages.push(Vec::new());
            y = TOP;
        }
        y += entry.height();
        if let Some(page) = pages.last_mut() {
            page.push(entry);
        }
    }
    pages
}

fn entries(sheet: &Sheet) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut text = |size: f32, most: usize, text: &str| {
        for line in text.lines().flat_map(|line| wrap(line, most)) {
            entries.push(Entry {
                size,
                text: line,
                amounts: Vec::new(),
            });
        }
    };
    text(18.0, 44, &format!("Invoice {}", sheet.number));
    text(10.0, 80, " ");
    for (name, address, country, vat_id) in [
        (
            &sheet.seller.name,
            &sheet.seller.address,
            &sheet.seller.country,
            &sheet.seller.vat_id,
        ),
        (
            &sheet.buyer.name,
            &sheet.buyer.address,
            &sheet.buyer.country,
            &sheet.buyer.vat_id,
        ),
    ] {
        text(11.0, 72, name);
        text(9.0, 90, address);
        text(9.0, 90, country);
        if !vat_id.is_empty() {
            text(9.0, 90, &format!("VAT {vat_id}"));
        }
        text(10.0, 80, " ");
    }
    text(10.0, 80, &format!("Issued on {}. {}", sheet.issued, sheet.standing));
    text(10.0, 80, " ");
    let mut row = |size: f32, text: &str, amounts: &[&str]| {
        let mut amounts: Vec<String> = amounts.iter().map(|amount| flush_right(amount)).collect();
        for line in wrap(text, 44) {
            entries.push(Entry {
                size,
                text: line,
                amounts: std::mem::take(&mut amounts),
            });
        }
    };
    let head = |word: &str| format!("{word} {}", sheet.currency);
    row(9.0, "What", &[&head("Net"), &head("Tax"), &head("Total")]);
    for line in &sheet.rows {
        row(9.0, &line.text, &[&line.net, &line.tax, &line.total]);
    }
    row(9.0, " ", &[]);
    row(9.0, "Net", &["", "", &sheet.net]);
    row(9.0, &sheet.tax_label, &["", "", &sheet.tax]);
    row(9.0, "Total", &["", "", &sheet.total]);
    if !sheet.credit.is_empty() {
        row(9.0, "From your credit", &["", "", &sheet.credit]);
    }
    row(9.0, "To pay", &["", "", &sheet.due]);
    row(9.0, " ", &[]);
    let mut text = |text: &str| {
        for line in wrap(text, 90) {
            entries.push(Entry {
                size: 9.0,
                text: line,
                amounts: Vec::new(),
            });
        }
    };
    if !sheet.note.is_empty() {
        text(&sheet.note);
    }
    if !sheet.seller.bank_account.is_empty() {
        text(&format!(
            "Bank account: {}. Name the invoice's number.",
            sheet.seller.bank_account
        ));
    }
    entries
}

fn flush_right(amount: &str) -> String {
    let missing = DIGITS.saturating_sub(amount.chars().count());
    if amount.is_empty() {
        String::new()
    } else {
        "\u{2007}".repeat(missing) + amount
    }
}

/// Lines of at most `most` letters, broken between words where that is possible.
fn wrap(text: &str, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let letters: Vec<char> = word.chars().collect();
        let last = lines.last().map_or(0, |line| line.chars().count());
        if last > 0 && last + 1 + letters.len() > most {
            lines.push(String::new());
        }
        for (part, piece) in letters.chunks(most).enumerate() {
            if part > 0 {
                lines.push(String::new());
            }
            if let Some(line) = lines.last_mut() {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.extend(piece);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::documents::{FONT, example};

    fn font() -> Font {
        Font::new(FONT.to_vec().into(), 0).unwrap()
    }

    fn plain() -> SerializeSettings {
        SerializeSettings {
            compress_content_streams: false,
            ..SerializeSettings::default()
        }
    }

    #[test]
    fn names_in_other_scripts_can_be_read_back_from_the_document() {
        let pdf = draw(&font(), &example(), plain()).unwrap();
        let text = String::from_utf8_lossy(&pdf);
        assert!(text.starts_with("%PDF-"));
        // The maps from glyphs to letters: Ж, Ł, Π, ß.
        for letter in ["<0416>", "<0141>", "<03A0>", "<00DF>"] {
            assert!(text.contains(letter), "{letter} is in no map");
        }
    }

    #[test]
    fn an_invoice_with_many_lines_goes_on_to_the_next_page() {
        let mut sheet = example();
        sheet.rows = vec![sheet.rows[0].clone(); 200];
        let (lines, pages) = (entries(&sheet).len(), pages(entries(&sheet)));
        assert!(pages.len() >= 3, "{} pages", pages.len());
        assert_eq!(pages.iter().map(Vec::len).sum::<usize>(), lines, "no line is lost");
        assert!(draw(&font(), &sheet, plain()).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn whatever_a_customer_is_called_there_is_a_document(name in "\\PC{0,200}", address in "(\\PC|\n){0,300}") {
            let mut sheet = example();
            (sheet.buyer.name, sheet.buyer.address) = (name, address);
            prop_assert!(draw(&font(), &sheet, plain()).is_ok());
        }
    }

    #[test]
    fn long_words_and_texts_are_broken() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("", 3), [""]);
        assert!(
            wrap(&"w".repeat(1000), 44)
                .iter()
                .all(|line| line.chars().count() <= 44)
        );
    }
}
