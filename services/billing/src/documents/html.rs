//! The invoice as a page: everything that somebody wrote is escaped, and a field that the template misspells is an error.

use minijinja::{Environment, UndefinedBehavior};

use super::{DocumentError, Sheet};

/// Escaped because of its ending.
const NAME: &str = "invoice.html";

pub(super) fn templates() -> Result<Environment<'static>, minijinja::Error> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.add_template(NAME, include_str!("invoice.html"))?;
    Ok(templates)
}

pub(super) fn draw(templates: &Environment<'_>, sheet: &Sheet) -> Result<String, DocumentError> {
    Ok(templates.get_template(NAME)?.render(sheet)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::example;

    #[test]
    fn what_a_customer_wrote_is_text_and_never_markup() {
        let page = draw(&templates().unwrap(), &example()).unwrap();
        assert!(
            page.contains("Жанна &amp; Łukasz &lt;b&gt;Ünal&lt;&#x2f;b&gt; Παπαδοπούλου"),
            "{page}"
        );
        assert!(page.contains("CTH-2027-000042") && page.contains("32.13"));
        assert!(!page.contains("From your credit") && !page.contains("Bank account"));
    }
}
