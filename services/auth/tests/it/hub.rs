//! An auth service with people in it.

use auth::Auth;
use chassis::Clock;
use contracts::id::UserId;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{Actor, Answer, TestService};

pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// As the testkit sets it.
pub(crate) const SECRET: &str = "the secret that services share in tests";

/// The service under test, and the folder that its mails go to.
pub(crate) struct Hub {
    pub(crate) app: TestService<Auth>,
    mails: TempDir,
}

/// Somebody with an account, signed in.
pub(crate) struct Person {
    pub(crate) id: UserId,
    pub(crate) email: String,
    pub(crate) actor: Actor,
    pub(crate) refresh_token: String,
    pub(crate) access_token: String,
}

impl Hub {
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    /// With further keys of the section `[auth]`.
    pub(crate) async fn with(auth: &str) -> Self {
        let mails = TempDir::new().unwrap();
        let mail_url = format!("mail_url = \"file://{}\"", mails.path().display());
        let mail_url = if auth.contains("mail_url") { "" } else { &mail_url };
        let app = TestService::<Auth>::at(&settings(&format!("{mail_url}\n{auth}")), Clock::stopped()).await;
        Self { app, mails }
    }

    pub(crate) async fn register(&self, email: &str) -> Answer {
        let body = json!({ "email": email, "password": PASSWORD, "display_name": "Ada Lovelace" });
        self.app.anonymous().post("/v1/auth/register", body).await
    }

    pub(crate) async fn login(&self, email: &str, password: &str) -> Answer {
        self.app
            .anonymous()
            .post("/v1/auth/login", json!({ "email": email, "password": password }))
            .await
    }

    /// From an address, with a client.
    pub(crate) async fn login_from(&self, email: &str, password: &str, address: &str, agent: &str) -> Answer {
        self.app
            .anonymous()
            .post("/v1/auth/login", json!({ "email": email, "password": password }))
            .header("x-forwarded-for", address)
            .header("user-agent", agent)
            .await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.app
            .anonymous()
            .post("/v1/auth/refresh", json!({ "refresh_token": token }))
            .await
    }

    pub(crate) async fn introspect(&self, token: &str) -> Value {
        let call = self
            .app
            .anonymous()
            .request("POST", "/v1/auth/introspect")
            .form(&[("token", token)]);
        call.header("authorization", &format!("Bearer {SECRET}"))
            .await
            .expect(200)
            .json
    }

    /// Somebody registers and signs in.
    pub(crate) async fn person(&self, email: &str) -> Person {
        let id = text(&self.register(email).await.expect(201).json, "id")
            .parse()
            .unwrap();
        self.signed_in(id, email).await
    }

    /// Another sign-in of the same user.
    pub(crate) async fn signed_in(&self, id: UserId, email: &str) -> Person {
        let tokens = self.login(email, PASSWORD).await.expect(200).json;
        let access_token = text(&tokens, "access_token");
        Person {
            id,
            email: email.to_owned(),
            actor: self.app.user_with_token(id, access_token.clone()),
            refresh_token: text(&tokens, "refresh_token"),
            access_token,
        }
    }

    /// Somebody whom the operator made an admin.
    pub(crate) async fn admin(&self, email: &str) -> Person {
        let id = text(&self.register(email).await.expect(201).json, "id")
            .parse()
            .unwrap();
        auth::commands::promote(&self.app.db, &self.app.clock, email)
            .await
            .unwrap();
        self.signed_in(id, email).await
    }

    /// The mails so far, each as it is on the wire.
    pub(crate) async fn mails(&self) -> Vec<String> {
        self.app.step_workers().await;
        let mut mails: Vec<_> = std::fs::read_dir(self.mails.path())
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        mails.sort();
        mails
            .iter()
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect()
    }

    /// The code in the newest mail.
    pub(crate) async fn code(&self) -> String {
        code_of(self.mails().await.last().expect("a mail"))
    }
}

/// The settings of a service under test: cheap hashing, and what `auth` sets beside or instead.
pub(crate) fn settings(auth: &str) -> String {
    let master_key = format!("master_key = \"{MASTER_KEY}\"");
    let usual = [
        &master_key,
        "argon2_memory_kib = 64",
        "argon2_passes = 1",
        "argon2_running = 4",
    ];
    let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let usual = usual
        .into_iter()
        .filter(|line| auth.lines().all(|given| name(given) != name(line)));
    let usual: Vec<&str> = usual.collect();
    format!(
        "[http]\ntrusted_proxies = [\"127.0.0.0/8\"]\n[auth]\n{}\n{auth}\n",
        usual.join("\n")
    )
}

pub(crate) fn code_of(mail: &str) -> String {
    let start = mail.find("#cth_").expect("a code in the mail") + 1;
    mail[start..].split_whitespace().next().unwrap().to_owned()
}

pub(crate) fn text(value: &Value, field: &str) -> String {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} in {value}"))
        .to_owned()
}
