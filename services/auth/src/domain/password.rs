//! Passwords: which are accepted (NIST SP 800-63B-4), and Argon2id off the async threads.
//!
//! Hashing is meant to be expensive, so it is bounded twice: so many run at a time, so many wait, and what comes on top is
//! refused at once instead of piling up. An unknown user's password is checked against a hash that nothing matches: it takes
//! the same work, so time does not tell who has an account.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

/// Characters of a password at least.
pub const SHORTEST: usize = 8;
/// Characters of a password at most.
pub const LONGEST: usize = 128;

/// Passwords that every guesser tries first, among those long enough to be accepted.
const COMMON: &str = include_str!("common_passwords.txt");

/// A password that may be set.
#[derive(Clone)]
pub struct NewPassword(SecretString);

impl NewPassword {
    /// Checks what somebody typed. `about` is what a guesser knows of the user: address, handle, name.
    ///
    /// # Errors
    /// What is wrong with it; the password is not in the text.
    pub fn parse(text: &str, about: &[&str]) -> Result<Self, String> {
        let normal = normalise(text);
        let count = normal.chars().count();
        if !(SHORTEST..=LONGEST).contains(&count) {
            return Err(format!(
                "must have {SHORTEST} to {LONGEST} characters; a few unrelated words make a good one"
            ));
        }
        let folded = normal.to_lowercase();
        let one_letter = folded.chars().all(|letter| folded.starts_with(letter));
        if one_letter || COMMON.lines().any(|common| common == folded) {
            return Err("is one of the passwords that are guessed first; choose another".to_owned());
        }
        if about
            .iter()
            .any(|known| known.chars().count() >= 4 && folded == known.to_lowercase())
        {
            return Err("must not be your own name or address".to_owned());
        }
        Ok(Self(normal.into()))
    }
}

/// The same characters are the same password, however the keyboard composed them.
fn normalise(text: &str) -> String {
    text.nfkc().collect()
}

/// An Argon2id hash in PHC string format.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// A hash out of our own database.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// For the database.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// How expensive hashing is, and how much of it may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory of one hash, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Hashes at a time.
    pub running: usize,
    /// Hashes that may wait for their turn.
    pub waiting: usize,
}

/// Why a password was not hashed.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Too many are waiting.
    #[error("too many passwords are being checked at the moment; try again in a second")]
    Busy,
    /// The parameters are out of range, or a stored hash is not one.
    #[error("hashing a password: {0}")]
    Failed(String),
}

/// What came of checking a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Whether it is the one.
    pub matches: bool,
    /// Whether its hash was made at another cost than today's.
    pub outdated: bool,
}

/// Hashes and checks passwords.
#[derive(Clone)]
pub struct Hasher {
    params: Params,
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    nobody: PasswordHash,
}

impl Hasher {
    /// Sets up hashing at this cost.
    ///
    /// # Errors
    /// When the cost is out of Argon2's range.
    pub fn new(cost: Cost) -> Result<Self, HashError> {
        let params = Params::new(cost.memory_kib, cost.passes, 1, None).map_err(failed)?;
        let mut hasher = Self {
            params,
            running: Arc::new(Semaphore::new(cost.running)),
            admitted: Arc::new(Semaphore::new(cost.running + cost.waiting)),
            nobody: PasswordHash(String::new()),
        };
        let unknown = super::secret::generate("").map_err(failed)?;
        hasher.nobody = PasswordHash(
            hasher
                .argon2()
                .hash_password(unknown.expose_secret().as_bytes())
                .map_err(failed)?
                .to_string(),
        );
        Ok(hasher)
    }

    fn argon2(&self) -> Argon2<'static> {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone())
    }

    /// The hash of a new password.
    ///
    /// # Errors
    /// See [`HashError`].
    pub async fn hash(&self, password: NewPassword) -> Result<PasswordHash, HashError> {
        let argon2 = self.argon2();
        self.run(move || {
            let hash = argon2
                .hash_password(password.0.expose_secret().as_bytes())
                .map_err(failed)?;
            Ok(PasswordHash(hash.to_string()))
        })
        .await
    }

    /// Hashes a password again that was right, at today's cost.
    ///
    /// # Errors
    /// See [`HashError`].
    pub async fn rehash(&self, password: &SecretString) -> Result<PasswordHash, HashError> {
        self.hash(NewPassword(normalise(password.expose_secret()).into())).await
    }

    /// Whether `password` is the one of `hash`; without a hash it is not, after the same work.
    ///
    /// # Errors
    /// See [`HashError`].
    pub async fn check(&self, password: &SecretString, hash: Option<&PasswordHash>) -> Result<Checked, HashError> {
        let (argon2, known) = (self.argon2(), hash.is_some());
        let hash = hash.unwrap_or(&self.nobody).clone();
        let text = password.expose_secret();
        // Nobody has a longer one; how much longer must not matter.
        let text = SecretString::from(if text.len() > LONGEST * 4 {
            String::new()
        } else {
            normalise(text)
        });
        let params = self.params.clone();
        self.run(move || {
            let hash = phc::PasswordHash::new(&hash.0).map_err(failed)?;
            let matches = argon2.verify_password(text.expose_secret().as_bytes(), &hash).is_ok();
            let made_with = Params::try_from(&hash).map_err(failed)?;
            let cost = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
            Ok(Checked {
                matches: matches && known,
                outdated: cost(&made_with) != cost(&params),
            })
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let admitted = Arc::clone(&self.admitted)
            .try_acquire_owned()
            .map_err(|_| HashError::Busy)?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(failed)?;
        // The permits go along: a client that hangs up does not make room for another hash while its own goes on.
        let done = tokio::task::spawn_blocking(move || {
            let _held = (admitted, running);
            work()
        });
        done.await.map_err(failed)?
    }
}

fn failed(error: impl std::fmt::Display) -> HashError {
    HashError::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost {
        memory_kib: 64,
        passes: 1,
        running: 1,
        waiting: 1,
    };

    fn secret(text: &str) -> SecretString {
        text.to_owned().into()
    }

    #[test]
    fn a_password_is_eight_characters_or_more_and_not_one_that_everybody_tries() {
        for text in [
            "",
            "short",
            "1234567",
            "12345678",
            "Password1",
            "QWERTYUIOP",
            "aaaaaaaaaaaa",
            &"x1".repeat(65),
        ] {
            assert!(NewPassword::parse(text, &[]).is_err(), "{text:?}");
        }
        for text in [
            "correct horse",
            "пароль-мой",
            "🐴🔋📎✔🐴🔋📎✔",
            " spaces count ",
            &"x1".repeat(64),
        ] {
            assert!(NewPassword::parse(text, &[]).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn a_password_is_not_what_everybody_knows_of_the_user() {
        let about = ["ada@example.com", "ada-lovelace", "Ada Lovelace"];
        for text in ["Ada@example.com", "ADA-LOVELACE", "ada lovelace"] {
            assert!(NewPassword::parse(text, &about).is_err(), "{text:?}");
        }
        assert!(NewPassword::parse("ada lovelace rides", &about).is_ok());
    }

    #[tokio::test]
    async fn a_password_matches_its_hash_however_it_was_typed_and_nothing_else_does() {
        let hasher = Hasher::new(CHEAP).unwrap();
        let hash = hasher
            .hash(NewPassword::parse("Zoë's Käfer", &[]).unwrap())
            .await
            .unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
        // The same letters, with combining marks.
        assert!(
            hasher
                .check(&secret("Zoe\u{308}'s Ka\u{308}fer"), Some(&hash))
                .await
                .unwrap()
                .matches
        );
        for wrong in ["", "zoë's käfer", "Zoë's Käfer ", &"Z".repeat(1_000_000)] {
            assert!(!hasher.check(&secret(wrong), Some(&hash)).await.unwrap().matches);
        }
    }

    #[tokio::test]
    async fn nobodys_password_is_never_right_not_even_the_empty_one() {
        let hasher = Hasher::new(CHEAP).unwrap();
        for text in ["", "correct horse"] {
            let checked = hasher.check(&secret(text), None).await.unwrap();
            assert_eq!(
                checked,
                Checked {
                    matches: false,
                    outdated: false
                }
            );
        }
    }

    #[tokio::test]
    async fn a_hash_of_another_cost_still_matches_and_is_said_to_be_outdated() {
        let old = Hasher::new(CHEAP)
            .unwrap()
            .hash(NewPassword::parse("correct horse", &[]).unwrap())
            .await
            .unwrap();
        let hasher = Hasher::new(Cost {
            memory_kib: 128,
            ..CHEAP
        })
        .unwrap();
        let checked = hasher.check(&secret("correct horse"), Some(&old)).await.unwrap();
        assert_eq!(
            checked,
            Checked {
                matches: true,
                outdated: true
            }
        );
        let new = hasher.rehash(&secret("correct horse")).await.unwrap();
        assert!(
            !hasher
                .check(&secret("correct horse"), Some(&new))
                .await
                .unwrap()
                .outdated
        );
    }

    #[tokio::test]
    async fn more_hashes_than_may_wait_are_refused_at_once() {
        let hasher = Hasher::new(CHEAP).unwrap();
        let held = hasher.running.clone().acquire_owned().await.unwrap();
        let (first, second) = (hasher.clone(), hasher.clone());
        let password = secret("correct horse");
        let mut waiting = [
            Box::pin(first.check(&password, None)),
            Box::pin(second.check(&password, None)),
        ];
        for check in &mut waiting {
            assert!(futures_util::poll!(check.as_mut()).is_pending());
        }
        assert!(matches!(
            hasher.check(&secret("correct horse"), None).await,
            Err(HashError::Busy)
        ));
        drop(held);
        for check in waiting {
            assert!(check.await.is_ok());
        }
        assert!(hasher.check(&secret("correct horse"), None).await.is_ok());
    }
}
