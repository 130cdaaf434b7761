use std::time::Duration;

use auth::keyring::Keyring;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use identity::Claims;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use seal::Seal;
use serde_json::{Value, json};

use crate::hub::{Hub, MASTER_KEY, text};

const ROTATION: &str = "key_rotation_s = 10000\nkey_overlap_s = 1000";

fn kid(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

async fn published(hub: &Hub) -> Vec<String> {
    let set = hub.app.anonymous().get("/.well-known/jwks.json").await.expect(200).json;
    set["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| text(key, "kid"))
        .collect()
}

async fn mint(hub: &Hub) -> String {
    text(
        &hub.login("ada@example.com", crate::hub::PASSWORD)
            .await
            .expect(200)
            .json,
        "access_token",
    )
}

#[tokio::test]
async fn the_public_key_is_published_and_the_private_one_is_nowhere_to_be_read() {
    let hub = Hub::start().await;
    let answer = hub.app.anonymous().get("/.well-known/jwks.json").await.expect(200);
    let key = &answer.json["keys"][0];
    assert_eq!(
        json!([key["kty"], key["crv"], key["use"], key["alg"]]),
        json!(["OKP", "Ed25519", "sig", "EdDSA"])
    );
    assert_eq!(key["d"], Value::Null);
    assert_eq!(answer.header("cache-control"), Some("public, max-age=60"));
    use sea_orm::EntityTrait;
    let rows = auth::store::key::Entity::find().all(hub.app.db.read()).await.unwrap();
    let opened = Seal::new("auth.master_key", MASTER_KEY)
        .unwrap()
        .open(&format!("signing_keys/{}", rows[0].id), &rows[0].sealed)
        .unwrap();
    assert!(
        !rows[0]
            .sealed
            .contains(&base64::prelude::BASE64_STANDARD.encode(&opened)[..20])
    );
}

#[tokio::test]
async fn keys_change_with_an_overlap_and_no_token_is_refused_meanwhile() {
    let hub = Hub::with(ROTATION).await;
    hub.register("ada@example.com").await.expect(201);
    let first = published(&hub).await;
    assert_eq!(first.len(), 1);
    // The next key is published before it signs.
    hub.app.clock.advance(Duration::from_secs(9000));
    hub.app.step_workers().await;
    let both = published(&hub).await;
    assert_eq!((both.len(), &both[0]), (2, &first[0]));
    let by_the_old = mint(&hub).await;
    assert_eq!(kid(&by_the_old), first[0]);
    hub.app.clock.advance(Duration::from_secs(1000));
    hub.app.step_workers().await;
    let by_the_new = mint(&hub).await;
    assert_eq!(kid(&by_the_new), both[1]);
    // Both are good, and both keys are still published.
    for token in [&by_the_old, &by_the_new] {
        assert_eq!(hub.introspect(token).await["active"], true);
    }
    assert_eq!(published(&hub).await, both);
    hub.app.clock.advance(Duration::from_secs(1000));
    hub.app.step_workers().await;
    assert_eq!(published(&hub).await, both[1..]);
}

#[tokio::test]
async fn replicas_that_start_together_share_one_key() {
    let hub = Hub::start().await;
    let first = published(&hub).await.remove(0).parse().unwrap();
    hub.app
        .db
        .write(async |tx| auth::store::key::delete(tx, first).await)
        .await
        .unwrap();
    let settings = crate::settings::parsed("").unwrap();
    let seal = std::sync::Arc::new(Seal::new("auth.master_key", MASTER_KEY).unwrap());
    let open = || {
        Keyring::open(
            hub.app.db.clone(),
            hub.app.clock.clone(),
            std::sync::Arc::clone(&seal),
            &settings,
        )
    };
    let rings = futures_util::future::join_all((0..6).map(|_| open())).await;
    let kids: std::collections::HashSet<String> = rings
        .into_iter()
        .map(|ring| ring.unwrap().public().keys[0].common.key_id.clone().unwrap())
        .collect();
    assert_eq!(kids.len(), 1, "{kids:?}");
}

#[tokio::test]
async fn another_master_key_is_told_in_one_line() {
    let hub = Hub::start().await;
    let settings = crate::settings::parsed("").unwrap();
    let other =
        std::sync::Arc::new(Seal::new("auth.master_key", "//////////////////////////////////////////8=").unwrap());
    let error = Keyring::open(hub.app.db.clone(), hub.app.clock.clone(), other, &settings)
        .await
        .err()
        .unwrap();
    assert!(
        error
            .to_string()
            .starts_with("auth.master_key does not open signing_keys/key_"),
        "{error}"
    );
}

#[tokio::test]
async fn the_master_key_is_exchanged_and_tokens_stay_good() {
    const NEW: &str = "//////////////////////////////////////////8=";
    let hub = Hub::start().await;
    hub.register("ada@example.com").await.expect(201);
    let token = mint(&hub).await;
    let open = |settings: String| {
        let settings = crate::settings::parsed(&settings).unwrap();
        let (db, clock) = (hub.app.db.clone(), hub.app.clock.clone());
        async move {
            let seal = std::sync::Arc::new(settings.seal().unwrap());
            Keyring::open(db, clock, seal, &settings).await
        }
    };
    // Every replica can open the new one before any seals under it.
    open(format!("master_key_other = \"{NEW}\"")).await.unwrap();
    open(format!("master_key = \"{NEW}\"\nmaster_key_other = \"{MASTER_KEY}\""))
        .await
        .unwrap();
    let alone = open(format!("master_key = \"{NEW}\"")).await.unwrap();
    assert_eq!(
        alone.public().keys[0].common.key_id.as_deref(),
        Some(&*kid(&token)),
        "the same key"
    );
    assert!(
        open(String::new()).await.is_err(),
        "the old master key opens nothing any more"
    );
}

#[tokio::test]
async fn a_token_that_claims_another_algorithm_is_refused() {
    let hub = Hub::start().await;
    let ada = hub.person("ada@example.com").await;
    let parts: Vec<&str> = ada.access_token.split('.').collect();
    let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let kid = kid(&ada.access_token);
    let unsigned = format!("{}.{}.", encode(&json!({ "alg": "none", "kid": kid })), parts[1]);
    let set = hub.app.anonymous().get("/.well-known/jwks.json").await.expect(200).json;
    let public = BASE64_URL_SAFE_NO_PAD.decode(text(&set["keys"][0], "x")).unwrap();
    let claims: Claims = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    let header = Header {
        kid: Some(kid),
        ..Header::new(Algorithm::HS256)
    };
    let hmac = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&public)).unwrap();
    for token in [unsigned, hmac] {
        let answer = hub
            .app
            .user_with_token(ada.id, token.clone())
            .get("/v1/me")
            .await
            .expect(401);
        assert_eq!(answer.problem(), "invalid-token");
        assert_eq!(hub.introspect(&token).await, json!({ "active": false }));
    }
    ada.actor.get("/v1/me").await.expect(200);
}

#[tokio::test]
async fn where_everything_is_can_be_read() {
    let hub = Hub::start().await;
    let found = hub
        .app
        .anonymous()
        .get("/.well-known/openid-configuration")
        .await
        .expect(200)
        .json;
    assert_eq!(found["issuer"], "http://auth.localhost:8080");
    assert_eq!(found["jwks_uri"], "http://auth.localhost:8080/.well-known/jwks.json");
    assert_eq!(found["id_token_signing_alg_values_supported"], json!(["EdDSA"]));
}
