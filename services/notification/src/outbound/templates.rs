//! The words of mails, from `templates/`.
//!
//! What a template asks for and the message does not have is an error, so that a hole in the data is seen as a failed
//! delivery and never as a mail with a hole. In HTML everything is escaped.

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::Value;

const SOURCES: [(&str, &str); 6] = [
    (
        "notification.subject",
        include_str!("../../templates/notification.subject"),
    ),
    ("notification.txt", include_str!("../../templates/notification.txt")),
    ("notification.html", include_str!("../../templates/notification.html")),
    ("digest.subject", include_str!("../../templates/digest.subject")),
    ("digest.txt", include_str!("../../templates/digest.txt")),
    ("digest.html", include_str!("../../templates/digest.html")),
];

/// All templates.
pub struct Templates(Environment<'static>);

/// A mail as its reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The same in HTML.
    pub html: String,
}

impl Templates {
    /// Reads them.
    ///
    /// # Errors
    /// One of them is not well-formed.
    pub fn new() -> Result<Self, minijinja::Error> {
        let mut all = Environment::new();
        all.set_undefined_behavior(UndefinedBehavior::Strict);
        all.set_auto_escape_callback(|name| match name.ends_with(".html") {
            true => AutoEscape::Html,
            false => AutoEscape::None,
        });
        for (name, source) in SOURCES {
            all.add_template(name, source)?;
        }
        Ok(Self(all))
    }

    /// The mail that the templates called `name` make of `data`.
    ///
    /// # Errors
    /// There is no such template, or something that it needs is missing.
    pub fn write(&self, name: &str, data: &Value) -> Result<Words, minijinja::Error> {
        let render = |part: &str| self.0.get_template(&format!("{name}.{part}"))?.render(data);
        Ok(Words {
            subject: render("subject")?.trim().to_owned(),
            text: render("txt")?,
            html: render("html")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_people_wrote_is_shown_and_never_run() {
        let nasty = "<script>alert('x')</script> & {{ name }}";
        let data = json!({ "name": "Ada", "title": nasty, "body": "", "unsubscribe_url": "https://hub.example/u" });
        let words = Templates::new().unwrap().write("notification", &data).unwrap();
        assert_eq!(words.subject, nasty);
        assert!(words.text.contains(nasty));
        assert!(
            !words.html.contains("<script>") && words.html.contains("&lt;script&gt;"),
            "{}",
            words.html
        );
    }

    #[test]
    fn a_mail_with_a_hole_in_it_is_not_written() {
        let templates = Templates::new().unwrap();
        let whole = json!({ "name": "Ada", "title": "t", "body": "b", "unsubscribe_url": "u" });
        assert!(templates.write("notification", &whole).is_ok());
        for missing in ["name", "title", "body", "unsubscribe_url"] {
            let mut data = whole.clone();
            data.as_object_mut().unwrap().remove(missing);
            assert!(templates.write("notification", &data).is_err(), "{missing}");
        }
        let hole = json!({ "name": "Ada", "entries": [{ "title": "t" }], "unsubscribe_url": "u" });
        assert!(templates.write("digest", &hole).is_err());
        assert!(templates.write("birthday", &whole).is_err());
    }
}
