use auth::{Auth, settings::AuthSettings};
use chassis::{Configured, settings::Layers};

use crate::hub;

/// The settings that a service started with these keys of `[auth]` has.
pub(crate) fn parsed(auth: &str) -> Result<AuthSettings, Vec<String>> {
    let mail_url = if auth.contains("mail_url") {
        ""
    } else {
        "mail_url = \"file:///tmp/mail\""
    };
    let common = "[database]\nurl = \"sqlite::memory:\"\n[broker]\nbootstrap = \"embedded\"\n\
                  [identity]\nintrospection_secret = \"the secret that services share in tests\"";
    let layers = Layers::of_service::<Auth>().toml("common", common);
    let (figment, mistakes) = layers
        .toml("auth", &hub::settings(&format!("{mail_url}\n{auth}")))
        .finish();
    assert_eq!(mistakes, Vec::<String>::new());
    Configured::<Auth>::read(&figment).map(|configured| configured.own)
}

fn mistakes(auth: &str) -> Vec<String> {
    parsed(auth).err().unwrap_or_default()
}

#[test]
fn every_mistake_is_told_at_once_and_says_what_to_do() {
    let wrong = mistakes("master_key = \"short\"\nmail_url = \"nowhere\"\ntoken_ttl_s = 0");
    assert_eq!(wrong.len(), 3, "{wrong:#?}");
    assert!(wrong[0].contains("openssl rand -base64 32"));
    assert!(wrong[1].starts_with("auth.token_ttl_s must be 1 to 3600"));
    assert!(wrong[2].contains("file:///absolute/folder"));
}

#[test]
fn a_secret_is_not_repeated_in_a_mistake() {
    let wrong = mistakes("master_key = \"hunter2\"\nmail_url = \"smtp://ada:hunter2@:x\"").join("\n");
    assert!(
        wrong.contains("auth.master_key") && wrong.contains("auth.mail_url") && !wrong.contains("hunter2"),
        "{wrong}"
    );
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    for (contradiction, key) in [
        ("key_overlap_s = 600", "auth.key_overlap_s"),
        ("key_rotation_s = 3600\nkey_overlap_s = 7200", "auth.key_rotation_s"),
        ("session_idle_s = 100\nsession_ttl_s = 50", "auth.session_ttl_s"),
        ("refresh_grace_s = 3600", "auth.refresh_grace_s"),
        ("first_delay_s = 10\nlast_delay_s = 5", "auth.last_delay_s"),
        ("forget_failures_s = 60", "auth.forget_failures_s"),
        ("account_attempts = 0", "auth.account_attempts"),
        ("argon2_memory_kib = 1", "auth.argon2_memory_kib"),
        ("argon2_running = 0", "auth.argon2_running"),
        ("pat_ttl_s = 100\npat_max_ttl_s = 50", "auth.pat_max_ttl_s"),
        ("mail_from = \"nobody\"", "auth.mail_from"),
        ("public_url = \"auth.example.com\"", "auth.public_url"),
    ] {
        let wrong = mistakes(contradiction);
        assert_eq!(wrong.len(), 1, "{contradiction}: {wrong:#?}");
        assert!(wrong[0].starts_with(key), "{contradiction}: {wrong:?}");
    }
}

#[test]
fn a_mail_server_with_a_password_is_not_shown() {
    let settings = parsed("mail_url = \"smtps://ada:hunter2@mail.example.com\"").unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"));
    assert!(!format!("{settings:?}").contains(hub::MASTER_KEY));
}
