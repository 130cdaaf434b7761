//! What a user wants to hear of.

use chassis::{FieldError, Problem};

use super::notification::Kind;

/// One kind of notification, and where the user wants it.
///
/// A channel is a field; each is on until the user turns it off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preference {
    /// Which kind.
    pub kind: Kind,
    /// Whether it is put into the inbox.
    pub in_app: bool,
}

/// The preferences of a user: one for each kind, in the order of [`Kind::ALL`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preferences(Vec<Preference>);

impl Preferences {
    /// Kinds that are not among `given` are at their default: on.
    ///
    /// # Errors
    /// The kinds that are given twice.
    pub fn new(given: &[Preference]) -> Result<Self, Vec<FieldError>> {
        if given.len() > Kind::ALL.len() {
            let detail = format!("must name each type at most once; there are {}", Kind::ALL.len());
            return Err(vec![FieldError::new("/preferences", detail)]);
        }
        let repeated = given
            .iter()
            .enumerate()
            .filter(|(position, one)| given[..*position].iter().any(|other| other.kind == one.kind));
        let wrong: Vec<FieldError> = repeated
            .map(|(position, one)| {
                FieldError::new(
                    format!("/preferences/{position}/type"),
                    format!("{} is there twice", one.kind.name()),
                )
            })
            .collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let of = |kind| given.iter().find(|one| one.kind == kind).is_none_or(|one| one.in_app);
        Ok(Self(
            Kind::ALL
                .into_iter()
                .map(|kind| Preference { kind, in_app: of(kind) })
                .collect(),
        ))
    }

    /// All of them, but for the kinds turned `off`.
    pub fn without(off: &[Kind]) -> Self {
        Self(
            Kind::ALL
                .into_iter()
                .map(|kind| Preference {
                    kind,
                    in_app: !off.contains(&kind),
                })
                .collect(),
        )
    }

    /// One for each kind.
    pub fn all(&self) -> &[Preference] {
        &self.0
    }

    /// The kinds that are not put into the inbox.
    pub fn off(&self) -> impl Iterator<Item = Kind> {
        self.0.iter().filter(|one| !one.in_app).map(|one| one.kind)
    }
}

/// Why preferences cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum PreferenceError {
    /// They are not of the version that the client changed.
    #[error("somebody changed them in the meantime")]
    Stale(Problem),
    /// The database failed.
    #[error("reading or storing preferences")]
    Store(#[from] sea_orm::DbErr),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_on() {
        let preferences = Preferences::new(&[Preference {
            kind: Kind::Mentioned,
            in_app: false,
        }])
        .unwrap();
        assert_eq!(preferences.off().collect::<Vec<_>>(), [Kind::Mentioned]);
        assert_eq!(preferences.all().len(), Kind::ALL.len());
    }

    #[test]
    fn a_kind_named_twice_is_refused_even_when_both_say_the_same() {
        let twice = [Preference {
            kind: Kind::Mentioned,
            in_app: false,
        }; 2];
        assert_eq!(Preferences::new(&twice).unwrap_err()[0].pointer, "#/preferences/1/type");
    }
}
