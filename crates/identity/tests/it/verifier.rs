use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use contracts::Timestamp;
use identity::{
    Claims, TokenError,
    verifier::{KEYS_AGE, REFRESH, RETRY},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::issuer::{Key, Published, claims};

async fn refused(published: &Published, token: &str, why: &str) {
    assert_eq!(
        published.verifier().verify(token).await.err(),
        Some(TokenError::Invalid),
        "{why}"
    );
}

fn payload() -> Value {
    serde_json::to_value(claims()).unwrap()
}

fn encode(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).unwrap())
}

#[tokio::test]
async fn a_token_signed_by_a_published_key_says_who_is_asking() {
    let key = Key::new("key_1");
    let verifier = Published::of(&[&key]).verifier();
    let claims = claims();
    let token = key.sign(&claims);
    assert_eq!(*verifier.verify(&token).await.unwrap(), claims);
    assert_eq!(
        *verifier.verify(&token).await.unwrap(),
        claims,
        "also when it is remembered"
    );
}

#[tokio::test]
async fn a_token_without_a_signature_is_refused_whatever_case_none_is_written_in() {
    let published = Published::of(&[&Key::new("key_1")]);
    for none in ["none", "None", "NONE", "nOnE", ""] {
        let unsigned = format!(
            "{}.{}.",
            encode(&json!({ "alg": none, "typ": "JWT", "kid": "key_1" })),
            encode(&payload())
        );
        refused(&published, &unsigned, none).await;
        refused(&published, unsigned.trim_end_matches('.'), none).await;
    }
}

#[tokio::test]
async fn the_public_key_used_as_an_hmac_secret_is_refused() {
    let key = Key::new("key_1");
    let published = Published::of(&[&key]);
    let raw = BASE64_URL_SAFE_NO_PAD.decode(key.public()).unwrap();
    let jwk = key.jwk().to_string();
    for secret in [raw.as_slice(), key.public().as_bytes(), jwk.as_bytes()] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let header = Header {
                kid: Some("key_1".to_owned()),
                ..Header::new(algorithm)
            };
            let token = jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(secret)).unwrap();
            refused(&published, &token, "HMAC with the public key").await;
        }
    }
}

#[tokio::test]
async fn a_right_signature_under_a_wrong_algorithm_name_is_refused() {
    let key = Key::new("key_1");
    let published = Published::of(&[&key]);
    for algorithm in ["HS256", "RS256", "ES256", "PS512", "none", "Ed25519x"] {
        let token = key.sign_raw(&json!({ "alg": algorithm, "kid": "key_1" }), &payload());
        refused(&published, &token, algorithm).await;
    }
    let control = key.sign_raw(&json!({ "alg": "EdDSA", "kid": "key_1" }), &payload());
    assert!(published.verifier().verify(&control).await.is_ok());
}

#[tokio::test]
async fn a_key_that_the_token_brings_along_is_not_used() {
    let (ours, theirs) = (Key::new("key_1"), Key::new("key_1"));
    let published = Published::of(&[&ours]);
    let header =
        json!({ "alg": "EdDSA", "kid": "key_1", "jwk": theirs.jwk(), "jku": "https://evil.example/jwks.json" });
    refused(&published, &theirs.sign_raw(&header, &payload()), "embedded key").await;
    let without_kid = json!({ "alg": "EdDSA", "jwk": theirs.jwk() });
    refused(
        &published,
        &theirs.sign_raw(&without_kid, &payload()),
        "embedded key, no kid",
    )
    .await;
}

#[tokio::test]
async fn a_token_of_a_foreign_key_is_refused_even_under_our_key_id() {
    let published = Published::of(&[&Key::new("key_1")]);
    refused(&published, &Key::new("key_1").sign(&claims()), "foreign key, our kid").await;
    refused(&published, &Key::new("key_2").sign(&claims()), "foreign kid").await;
}

#[tokio::test]
async fn a_token_for_somebody_else_or_from_somebody_else_is_refused() {
    let key = Key::new("key_1");
    let published = Published::of(&[&key]);
    let with = |field: &str, value: Value| {
        let mut payload = payload();
        payload[field] = value;
        key.sign_raw(&json!({ "alg": "EdDSA", "kid": "key_1" }), &payload)
    };
    refused(&published, &with("iss", json!("https://auth.evil.example")), "issuer").await;
    refused(
        &published,
        &with("iss", json!("https://auth.example/")),
        "issuer, almost",
    )
    .await;
    refused(&published, &with("aud", json!("another-hub")), "audience").await;
    refused(&published, &with("aud", json!(["another-hub"])), "audiences").await;
    refused(
        &published,
        &with("sub", json!("prj_01h455vb4pex5vsknk084sn02q")),
        "subject is no user",
    )
    .await;
    refused(&published, &with("role", json!("root")), "unknown role").await;
    refused(&published, &with("scopes", json!(["everything"])), "unknown scope").await;
    refused(&published, &with("exp", json!("tomorrow")), "expiry is no number").await;
}

#[tokio::test]
async fn a_token_that_lacks_a_claim_is_refused() {
    let key = Key::new("key_1");
    let published = Published::of(&[&key]);
    for claim in ["iss", "aud", "sub", "role", "plan", "iat", "exp"] {
        let mut payload = payload();
        payload.as_object_mut().unwrap().remove(claim);
        let token = key.sign_raw(&json!({ "alg": "EdDSA", "kid": "key_1" }), &payload);
        refused(&published, &token, claim).await;
    }
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let key = Key::new("key_1");
    let published = Published::of(&[&key]);
    let now = Timestamp::now().as_seconds();
    refused(
        &published,
        &key.sign(&Claims {
            exp: now - 60,
            iat: now - 660,
            ..claims()
        }),
        "ended a minute ago",
    )
    .await;
    refused(&published, &key.sign(&Claims { exp: 0, ..claims() }), "ended in 1970").await;
    refused(&published, &key.sign(&Claims { exp: -1, ..claims() }), "ended before").await;
}

#[tokio::test]
async fn a_token_that_was_remembered_is_refused_once_it_has_expired() {
    let key = Key::new("key_1");
    let verifier = Published::of(&[&key]).verifier();
    // Within the leeway for clocks it passes once; the memory grants no leeway on top.
    let token = key.sign(&Claims {
        exp: Timestamp::now().as_seconds() - 1,
        ..claims()
    });
    assert!(verifier.verify(&token).await.is_ok());
    assert_eq!(verifier.verify(&token).await.err(), Some(TokenError::Invalid));
}

#[tokio::test]
async fn a_token_that_was_changed_is_refused() {
    let key = Key::new("key_1");
    let published = Published::of(&[&key]);
    let token = key.sign(&claims());
    let parts: Vec<&str> = token.split('.').collect();
    let mut forged = payload();
    forged["role"] = json!("admin");
    refused(
        &published,
        &format!("{}.{}.{}", parts[0], encode(&forged), parts[2]),
        "other payload",
    )
    .await;
    let other = key.sign(&claims());
    let signature = other.rsplit('.').next().unwrap();
    refused(
        &published,
        &format!("{}.{}.{signature}", parts[0], parts[1]),
        "signature of another token",
    )
    .await;
    refused(&published, &format!("{}.{}.", parts[0], parts[1]), "no signature").await;
    refused(&published, &format!("{token}.{}", parts[2]), "four parts").await;
    refused(&published, &format!("{token} "), "a space").await;
}

#[tokio::test]
async fn what_is_no_token_at_all_is_refused() {
    let published = Published::of(&[&Key::new("key_1")]);
    for text in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "null",
        "Bearer",
        "💥.💥.💥",
        "eyJhbGciOiJFZERTQSJ9",
        "\u{0}",
    ] {
        refused(&published, text, text).await;
    }
    let key = Key::new("key_1");
    let huge = key.sign_raw(
        &json!({ "alg": "EdDSA", "kid": "key_1", "pad": "x".repeat(100_000) }),
        &payload(),
    );
    refused(&Published::of(&[&key]), &huge, "huge").await;
}

#[tokio::test]
async fn other_credentials_of_the_hub_are_refused_with_a_hint_where_to_use_them() {
    let published = Published::of(&[]);
    let verifier = published.verifier();
    assert_eq!(
        verifier.verify("cth_pat_secret").await.err(),
        Some(TokenError::Personal)
    );
    assert_eq!(verifier.verify("cth_rt_secret").await.err(), Some(TokenError::Refresh));
    assert_eq!(published.reads(), 0);
}

#[tokio::test]
async fn keys_that_are_not_for_this_are_passed_over() {
    let key = Key::new("key_1");
    let published = Published::default();
    let changed = |field: &str, value: Value| {
        let mut jwk = key.jwk();
        jwk[field] = value;
        jwk
    };
    let symmetric = json!({ "kty": "oct", "kid": "key_1", "k": key.public() });
    for unusable in [
        changed("use", json!("enc")),
        changed("alg", json!("RS256")),
        changed("crv", json!("P-256")),
        symmetric,
    ] {
        published.set_raw(vec![unusable.clone()]);
        refused(&published, &key.sign(&claims()), &unusable.to_string()).await;
    }
    published.set_raw(vec![
        json!({ "kty": "RSA", "kid": "r", "n": "AQAB", "e": "AQAB" }),
        key.jwk(),
    ]);
    assert!(
        published.verifier().verify(&key.sign(&claims())).await.is_ok(),
        "beside a key of another kind"
    );
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_seen_when_its_first_token_comes_and_the_old_one_goes_on() {
    let (old, new) = (Key::new("key_1"), Key::new("key_2"));
    let published = Published::of(&[&old]);
    let verifier = published.verifier();
    assert!(verifier.verify(&old.sign(&claims())).await.is_ok());
    published.set(&[&old, &new]);
    tokio::time::advance(REFRESH).await;
    assert!(verifier.verify(&new.sign(&claims())).await.is_ok());
    assert!(verifier.verify(&old.sign(&claims())).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_made_up_key_ids_is_not_passed_on() {
    let published = Published::of(&[&Key::new("key_1")]);
    let verifier = published.verifier();
    for n in 0..200 {
        let token = Key::new(&format!("key_{n}_made_up")).sign(&claims());
        assert_eq!(verifier.verify(&token).await.err(), Some(TokenError::Invalid));
    }
    assert_eq!(published.reads(), 1);
    tokio::time::advance(REFRESH).await;
    assert_eq!(
        verifier.verify(&Key::new("other").sign(&claims())).await.err(),
        Some(TokenError::Invalid)
    );
    assert_eq!(published.reads(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_keys_a_token_may_be_good_and_auth_is_not_hammered() {
    let key = Key::new("key_1");
    let published = Published::default();
    let verifier = published.verifier();
    for _ in 0..50 {
        assert_eq!(
            verifier.verify(&key.sign(&claims())).await.err(),
            Some(TokenError::Unavailable)
        );
    }
    assert_eq!(published.reads(), 1);
    published.set(&[&key]);
    tokio::time::advance(RETRY).await;
    assert!(verifier.verify(&key.sign(&claims())).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn known_keys_go_on_serving_while_auth_is_down() {
    let key = Key::new("key_1");
    let published = Published::of(&[&key]);
    let verifier = published.verifier();
    assert!(verifier.verify(&key.sign(&claims())).await.is_ok());
    published.take_away();
    tokio::time::advance(KEYS_AGE + Duration::from_secs(1)).await;
    for _ in 0..50 {
        assert!(verifier.verify(&key.sign(&claims())).await.is_ok());
    }
    assert_eq!(published.reads(), 2, "it was asked once more, in vain");
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_key_is_forgotten() {
    let (stolen, new) = (Key::new("key_1"), Key::new("key_2"));
    let published = Published::of(&[&stolen, &new]);
    let verifier = published.verifier();
    assert!(verifier.verify(&stolen.sign(&claims())).await.is_ok());
    published.set(&[&new]);
    tokio::time::advance(KEYS_AGE + Duration::from_secs(1)).await;
    assert_eq!(
        verifier.verify(&stolen.sign(&claims())).await.err(),
        Some(TokenError::Invalid)
    );
}
