//! Ids: a prefix that says what is named, and a UUIDv7 that sorts by time of birth.
//!
//! The text form is a TypeID (<https://github.com/jetify-com/typeid>, spec 0.3): `tsk_01h455vb4pex5vsknk084sn02q`,
//! 26 characters of Crockford base32 in lower case. It is what clients see, what events carry and what databases store.

use std::str::FromStr;

use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The text is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an id like {prefix}_01h455vb4pex5vsknk084sn02q")]
pub struct InvalidId {
    /// The prefix that was expected.
    pub prefix: &'static str,
}

fn encode(prefix: &str, id: Uuid) -> String {
    let bits = id.as_u128();
    let mut text = String::with_capacity(prefix.len() + 27);
    text.push_str(prefix);
    text.push('_');
    for position in (0..26).rev() {
        text.push(char::from(ALPHABET[((bits >> (position * 5)) & 31) as usize]));
    }
    text
}

fn decode(prefix: &'static str, text: &str) -> Result<Uuid, InvalidId> {
    let invalid = InvalidId { prefix };
    let digits = text
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .filter(|digits| digits.len() == 26)
        .ok_or_else(|| invalid.clone())?;
    let mut bits: u128 = 0;
    for (position, digit) in digits.bytes().enumerate() {
        let value = ALPHABET
            .iter()
            .position(|letter| *letter == digit)
            .ok_or_else(|| invalid.clone())?;
        // 26 digits hold 130 bits: the first may only use the lower three.
        if position == 0 && value > 7 {
            return Err(invalid);
        }
        bits = bits << 5 | value as u128;
    }
    Ok(Uuid::from_u128(bits))
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, sea_orm::DeriveValueType)]
        #[sea_orm(value_type = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// What the text form begins with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, larger than every id this process made before.
            #[expect(clippy::new_without_default, reason = "an id is made on purpose, never by default")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&encode($prefix, self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                decode($prefix, text).map(Self)
            }
        }

        impl sea_orm::TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, sea_orm::DbErr> {
                Err(sea_orm::DbErr::ConvertFromU64(stringify!($name)))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "pattern": concat!("^", $prefix, "_[0-7][0-9a-hjkmnp-tv-z]{25}$"),
                })
            }
        }
    )*};
}

ids! {
    /// An event; also the id of its outbox row and the key of every inbox.
    EventId = "evt";
    /// A person with an account.
    UserId = "usr";
    /// A sign-in of a user on one client; access tokens carry it as `sid`.
    SessionId = "ses";
    /// A personal access token.
    TokenId = "pat";
    /// A project.
    ProjectId = "prj";
    /// A task of a project.
    TaskId = "tsk";
    /// A comment on a task.
    CommentId = "cmt";
    /// An invitation to a project that waits for an account.
    InvitationId = "inv";
    /// A label of a project.
    LabelId = "lbl";
    /// An entry of a project's activity list.
    ActivityId = "act";
    /// A notification in a user's inbox.
    NotificationId = "ntf";
    /// A signing key; its text is the JWT header's `kid`.
    KeyId = "key";
    /// An e-mail that auth sends.
    MailId = "eml";
    /// A dead letter: an event that a consumer could not handle.
    DeadLetterId = "dlq";
    /// An order of a plan, from its acceptance at the gateway to its outcome.
    OrderId = "ord";
    /// An account's subscription to a plan.
    SubscriptionId = "sub";
    /// An invoice.
    InvoiceId = "ivc";
    /// A credit note on an invoice.
    CreditNoteId = "crn";
    /// A payment of an invoice, with all its attempts.
    PaymentId = "pay";
    /// An endpoint that receives webhooks.
    WebhookId = "whk";
    /// A delivery of one message to one target outside.
    DeliveryId = "dlv";
    /// An import of tasks into a new project.
    ImportId = "imp";
    /// A weekly report.
    ReportId = "rep";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_is_the_one_of_the_typeid_specification() {
        let id = Uuid::parse_str("01890a5d-ac96-774b-bcce-b302099a8057").unwrap();
        assert_eq!(encode("prefix", id), "prefix_01h455vb4pex5vsknk084sn02q");
        assert_eq!(decode("prefix", "prefix_01h455vb4pex5vsknk084sn02q"), Ok(id));
    }

    #[test]
    fn a_text_that_is_no_id_of_this_kind_is_refused() {
        for text in [
            "",
            "tsk",
            "tsk_",
            "prj_01h455vb4pex5vsknk084sn02q",
            "tsk_01h455vb4pex5vsknk084sn02",
            "tsk_81h455vb4pex5vsknk084sn02q",
            "tsk_01H455VB4PEX5VSKNK084SN02Q",
            "tsk_01h455vb4pex5vsknk084sn0lu",
            "tsk_01h455vb4pex5vsknk084sn02é",
        ] {
            assert_eq!(text.parse::<TaskId>(), Err(InvalidId { prefix: "tsk" }), "{text:?}");
        }
    }

    #[test]
    fn ids_sort_as_text_in_the_order_they_were_made() {
        let made: Vec<String> = (0..1000).map(|_| TaskId::new().to_string()).collect();
        assert!(made.is_sorted());
    }
}
