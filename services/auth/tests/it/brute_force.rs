use std::time::Duration;

use serde_json::json;
use testkit::Answer;

use crate::hub::{Hub, PASSWORD};

const HOME: &str = "192.0.2.10";

async fn guess(hub: &Hub, email: &str, address: &str) -> Answer {
    hub.login_from(email, "wrong password", address, "curl/8").await
}

fn wait(answer: &Answer) -> u64 {
    answer.header("retry-after").expect("Retry-After").parse().unwrap()
}

#[tokio::test]
async fn after_a_few_failures_the_account_has_to_wait_longer_each_time() {
    let hub = Hub::start().await;
    hub.register("ada@example.com").await.expect(201);
    for n in 0..5 {
        guess(&hub, "ada@example.com", &format!("198.51.100.{n}"))
            .await
            .expect(401);
    }
    let mut waits = Vec::new();
    for n in 0..5 {
        let blocked = guess(&hub, "ada@example.com", &format!("203.0.113.{n}"))
            .await
            .expect(429);
        assert_eq!(blocked.problem(), "too-many-attempts");
        waits.push(wait(&blocked));
        hub.app.clock.advance(Duration::from_secs(wait(&blocked)));
        guess(&hub, "ada@example.com", &format!("203.0.113.{n}"))
            .await
            .expect(401);
    }
    assert_eq!(waits, [2, 4, 8, 16, 32]);
}

#[tokio::test]
async fn a_hundred_guesses_at_once_are_not_all_looked_at() {
    let hub = Hub::start().await;
    hub.register("ada@example.com").await.expect(201);
    let guesses = (0..100).map(|n| {
        let address = format!("198.51.100.{n}");
        let hub = &hub;
        async move { guess(hub, "ada@example.com", &address).await.status }
    });
    let statuses = futures_util::future::join_all(guesses).await;
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 5);
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 95);
}

#[tokio::test]
async fn one_address_that_tries_many_accounts_has_to_wait() {
    let hub = Hub::with("network_attempts = 10").await;
    for n in 0..10 {
        guess(&hub, &format!("user{n}@example.com"), "198.51.100.7")
            .await
            .expect(401);
    }
    guess(&hub, "another@example.com", "198.51.100.7").await.expect(429);
    // Not for others, nor for the neighbour in another network.
    guess(&hub, "another@example.com", "198.51.100.8").await.expect(401);
    // An IPv6 client has a whole /64 to choose from.
    for n in 0..10 {
        guess(&hub, &format!("six{n}@example.com"), &format!("2001:db8:1:2::{n}"))
            .await
            .expect(401);
    }
    guess(&hub, "another@example.com", "2001:db8:1:2:ffff::1")
        .await
        .expect(429);
    guess(&hub, "third@example.com", "2001:db8:1:3::1").await.expect(401);
}

#[tokio::test]
async fn an_attacker_cannot_lock_the_owner_out() {
    let hub = Hub::start().await;
    let ada = json!({ "email": "ada@example.com", "password": PASSWORD, "display_name": "Ada" });
    hub.app
        .anonymous()
        .post("/v1/auth/register", ada)
        .header("x-forwarded-for", HOME)
        .await
        .expect(201);
    for n in 0..5 {
        guess(&hub, "ada@example.com", &format!("198.51.100.{n}"))
            .await
            .expect(401);
    }
    hub.login_from("ada@example.com", PASSWORD, "198.51.100.99", "curl/8")
        .await
        .expect(429);
    // From where she always signs in she does not wait, and neither do her own typing errors count for others.
    hub.login_from("ada@example.com", PASSWORD, HOME, "curl/8")
        .await
        .expect(200);
    guess(&hub, "ada@example.com", HOME).await.expect(401);
    hub.login_from("ada@example.com", PASSWORD, HOME, "curl/8")
        .await
        .expect(200);
    // But a guesser in her own network is slowed down too.
    for _ in 0..5 {
        guess(&hub, "ada@example.com", HOME).await.expect(401);
    }
    guess(&hub, "ada@example.com", HOME).await.expect(429);
}

#[tokio::test]
async fn a_delay_ends_although_the_attacker_goes_on() {
    let hub = Hub::start().await;
    hub.register("ada@example.com").await.expect(201);
    for _ in 0..5 {
        guess(&hub, "ada@example.com", "198.51.100.1").await.expect(401);
    }
    for _ in 0..20 {
        guess(&hub, "ada@example.com", "198.51.100.1").await.expect(429);
    }
    hub.app.clock.advance(Duration::from_secs(2));
    hub.login_from("ada@example.com", PASSWORD, "203.0.113.5", "curl/8")
        .await
        .expect(200);
    // A success clears the account.
    guess(&hub, "ada@example.com", "198.51.100.1").await.expect(401);
}

#[tokio::test]
async fn signing_in_rightly_as_often_as_one_likes_is_no_attack() {
    let hub = Hub::with("network_attempts = 3").await;
    hub.register("ada@example.com").await.expect(201);
    for _ in 0..12 {
        hub.login("ada@example.com", PASSWORD).await.expect(200);
    }
}

#[tokio::test]
async fn failures_are_forgotten_after_a_day() {
    let hub = Hub::start().await;
    for _ in 0..5 {
        guess(&hub, "ada@example.com", "198.51.100.1").await.expect(401);
    }
    guess(&hub, "ada@example.com", "198.51.100.1").await.expect(429);
    hub.app.clock.advance(Duration::from_secs(24 * 3600 + 1));
    hub.app.step_workers().await;
    for _ in 0..5 {
        guess(&hub, "ada@example.com", "198.51.100.1").await.expect(401);
    }
}

#[tokio::test]
async fn the_owner_who_resets_the_password_signs_in_at_once() {
    let hub = Hub::start().await;
    hub.register("ada@example.com").await.expect(201);
    for n in 0..5 {
        guess(&hub, "ada@example.com", &format!("198.51.100.{n}"))
            .await
            .expect(401);
    }
    let forgot = json!({ "email": "ada@example.com" });
    hub.app.anonymous().post("/v1/auth/forgot", forgot).await.expect(204);
    let reset = json!({ "token": hub.code().await, "new_password": "seven quiet lighthouses" });
    let call = hub
        .app
        .anonymous()
        .post("/v1/auth/reset", reset)
        .header("x-forwarded-for", "203.0.113.77");
    call.await.expect(204);
    hub.login_from("ada@example.com", "seven quiet lighthouses", "203.0.113.77", "curl/8")
        .await
        .expect(200);
}

#[tokio::test]
async fn a_stolen_session_cannot_be_used_to_guess_the_password() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let guess = async |current: &str| {
        let body = json!({ "current_password": current, "new_password": "seven quiet lighthouses" });
        ada.actor.post("/v1/me/password", body).await
    };
    for _ in 0..5 {
        assert_eq!(guess("wrong").await.expect(422).problem(), "wrong-password");
    }
    assert_eq!(guess(PASSWORD).await.expect(429).problem(), "too-many-attempts");
    hub.app.clock.advance(Duration::from_secs(2));
    guess(PASSWORD).await.expect(204);
}

#[tokio::test]
async fn more_sign_ins_than_can_be_hashed_are_told_to_come_back() {
    let hub = Hub::with("argon2_waiting = 0\nargon2_memory_kib = 65536").await;
    let attempts = (0..60).map(|n| {
        let hub = &hub;
        async move {
            hub.login_from(
                &format!("u{n}@example.com"),
                PASSWORD,
                &format!("198.51.100.{n}"),
                "curl/8",
            )
            .await
        }
    });
    let answers = futures_util::future::join_all(attempts).await;
    let busy: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!(!busy.is_empty() && busy.len() < 60, "{} of 60 refused", busy.len());
    assert_eq!(
        (busy[0].problem(), busy[0].header("retry-after")),
        ("overloaded", Some("1"))
    );
}
