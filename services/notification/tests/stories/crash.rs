//! What the process does not live to record.

use std::time::Duration;

use chassis::worker::Worker;
use contracts::id::UserId;
use mail::{Route, Transport};
use notification::{
    outbound::{Channels, Dispatcher, Guard, Http, Limits, Room, SystemLookup, Templates},
    secrets::Secrets,
};
use serde_json::json;

use crate::{
    target::{Target, Verdict},
    world::{App, World},
};

const HERE: &str = "[notification.webhooks]\nallow_private_targets = true";
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="; // pragma: allowlist secret

/// A sender of its own, to be dropped in the middle.
fn dispatcher(app: &App, room: Room) -> Dispatcher {
    let limits = Limits {
        connect: Duration::from_secs(5),
        total: Duration::from_secs(60),
    };
    let seal = seal::Seal::new("notification.master_key", KEY).unwrap();
    let channels = Channels {
        http: Http::new(Guard::new(SystemLookup, true), limits).unwrap(),
        secrets: Secrets::new(seal).into(),
        patience: Duration::from_secs(3600),
        transport: Transport::new(&Route::Folder("/nowhere".into()), "Hub <hub@example.com>")
            .unwrap()
            .into(),
        templates: Templates::new().unwrap().into(),
        public_url: "http://hub.example".to_owned(),
    };
    Dispatcher::new(app.db.clone(), app.clock.clone(), room, channels, Default::default())
}

const ROOM: Room = Room {
    all: 8,
    each: 2,
    lease: Duration::from_secs(120),
};

#[tokio::test]
async fn a_crash_between_sending_and_recording_is_seen_as_unknown_and_the_message_comes_again_under_the_same_id() {
    let (app, target, world) = (App::with(HERE).await, Target::start().await, World::new());
    let ada = app.user();
    let webhook = ada
        .post("/v1/webhooks", json!({ "url": target.url() }))
        .await
        .expect(201)
        .json;
    let list = format!("/v1/webhooks/{}/deliveries", webhook["id"].as_str().unwrap());
    target.answers([Verdict::Hang]);
    app.deliver(&world.assigned(ada.id, ada.id, 1)).await;
    {
        let mut doomed = dispatcher(&app, ROOM);
        tokio::select! {
            () = target.got(1) => {}
            () = async { while doomed.step().await.is_ok() {} } => panic!("the sender ended"),
        }
    }
    let state = async || {
        let one = ada.get(&list).await.expect(200).json["items"][0].clone();
        let id = one["id"].as_str().unwrap().to_owned();
        ada.get(format!("/v1/deliveries/{id}")).await.expect(200).json
    };
    assert_eq!(state().await["state"], "sending");
    app.step_workers().await;
    assert_eq!(target.received().len(), 1, "somebody may still be sending it");

    app.clock.advance(Duration::from_secs(121));
    app.step_workers().await;
    let seen = state().await;
    assert_eq!(seen["state"], "unknown");
    assert_eq!(seen["log"][0]["result"], "unknown");

    app.clock.advance(Duration::from_secs(10));
    app.step_workers().await;
    let done = state().await;
    assert_eq!((&done["state"], &done["attempts"]), (&json!("delivered"), &json!(2)));
    let results: Vec<_> = done["log"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["result"].clone())
        .collect();
    assert_eq!(results, ["unknown", "delivered"]);
    let [first, second] = &target.received()[..] else {
        panic!("two messages")
    };
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    assert_eq!(first.body, second.body);
}

#[tokio::test]
async fn a_target_that_never_answers_holds_up_nobody_else() {
    let (app, world) = (App::with(HERE).await, World::new());
    let (stuck, well) = (Target::start().await, Target::start().await);
    let (ada, bo) = (app.user(), app.user());
    stuck.always(Verdict::Hang);
    for (user, target) in [(&ada, &stuck), (&bo, &well)] {
        user.post(
            "/v1/webhooks",
            json!({ "url": target.url(), "event_types": ["task.*"] }),
        )
        .await
        .expect(201);
    }
    for version in 0..50 {
        app.deliver(&world.assigned(ada.id, UserId::new(), version)).await;
    }
    for version in 50..100 {
        app.deliver(&world.assigned(bo.id, UserId::new(), version)).await;
    }
    let mut sender = dispatcher(&app, ROOM);
    tokio::select! {
        () = well.got(50) => {}
        () = async { while sender.step().await.is_ok() {} } => panic!("the sender ended"),
    }
    assert_eq!(stuck.received().len(), ROOM.each, "its share of the room and no more");
}

#[tokio::test]
async fn two_senders_on_one_database_send_every_message_once() {
    let (app, target, world) = (App::with(HERE).await, Target::start().await, World::new());
    let ada = app.user();
    ada.post(
        "/v1/webhooks",
        json!({ "url": target.url(), "event_types": ["task.*"] }),
    )
    .await
    .expect(201);
    for version in 0..100 {
        app.deliver(&world.assigned(ada.id, UserId::new(), version)).await;
    }
    let (mut one, mut other) = (dispatcher(&app, ROOM), dispatcher(&app, ROOM));
    let drain = async |sender: &mut Dispatcher| while sender.step().await.unwrap() == chassis::worker::Step::Full {};
    tokio::join!(drain(&mut one), drain(&mut other));
    let mut ids: Vec<_> = target
        .received()
        .iter()
        .map(|one| one.header("webhook-id").to_owned())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), target.received().len()), (100, 100));
}
