//! A sign-in that its user may not know of.
//!
//! A user's very first sign-in is with an unseen client by nature and nobody is told of it. Sessions are aggregates of
//! their own, so their events come in any order: the earliest seen so far is remembered, and one that turns out not to be
//! the first is told of when an earlier one comes to light.

use contracts::{
    Timestamp,
    id::{SessionId, UserId},
};

use super::notification::{Kind, News, one_line};

/// A sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// Which.
    pub session: SessionId,
    /// Who.
    pub user: UserId,
    /// What the client calls itself.
    pub client: String,
    /// Whether the user never used that client before.
    pub unseen_client: bool,
    /// When.
    pub started_at: Timestamp,
}

/// What a sign-in changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The user's first sign-in as far as is known now, if that changed.
    pub first: Option<SignIn>,
    /// The sign-in to tell the user of.
    pub tell: Option<SignIn>,
}

impl SignIn {
    /// Compares with the `first` known until now.
    pub fn after(self, first: Option<SignIn>) -> Outcome {
        match first {
            None => Outcome {
                first: Some(self),
                tell: None,
            },
            Some(first) if first.session == self.session => Outcome {
                first: None,
                tell: None,
            },
            Some(first) if (self.started_at, self.session) < (first.started_at, first.session) => Outcome {
                first: Some(self),
                tell: Some(first).filter(|later| later.unseen_client),
            },
            Some(_) => Outcome {
                first: None,
                tell: Some(self).filter(|later| later.unseen_client),
            },
        }
    }

    /// What to tell its user.
    pub fn news(&self) -> News {
        let client = one_line(&self.client);
        News {
            subject: if client.is_empty() {
                "an unnamed client".to_owned()
            } else {
                client
            },
            ..News::new(Kind::NewSession, format!("session:{}", self.session), self.started_at)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_whatever_order_sign_ins_come_all_but_the_earliest_are_told_of() {
        let user = UserId::new();
        let sign_in = |second: i64, unseen_client| SignIn {
            session: SessionId::new(),
            user,
            client: format!("client {second}"),
            unseen_client,
            started_at: Timestamp::from_micros(second * 1_000_000),
        };
        let [a, b, c] = [sign_in(1, true), sign_in(2, true), sign_in(3, false)];
        for order in [
            [&a, &b, &c],
            [&a, &c, &b],
            [&b, &a, &c],
            [&b, &c, &a],
            [&c, &a, &b],
            [&c, &b, &a],
        ] {
            let mut first = None;
            let mut told = Vec::new();
            for one in order {
                let outcome = one.clone().after(first.clone());
                first = outcome.first.or(first);
                told.extend(outcome.tell);
            }
            assert_eq!(told, std::slice::from_ref(&b), "{order:?}");
            assert_eq!(first, Some(a.clone()), "{order:?}");
        }
    }
}
