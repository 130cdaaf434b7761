use auth::{commands, domain::user::UserError};
use contracts::auth::UserUpdated;

use crate::hub::Hub;

#[tokio::test]
async fn the_operator_makes_the_first_admin_and_it_is_told_once() {
    let hub = Hub::start().await;
    hub.register("Ada@example.com").await.expect(201);
    for _ in 0..2 {
        let user = commands::promote(&hub.app.db, &hub.app.clock, " ada@EXAMPLE.com")
            .await
            .unwrap();
        assert!(user.administers());
    }
    assert_eq!(hub.app.published_of::<UserUpdated>().await.len(), 1);
    let unknown = commands::promote(&hub.app.db, &hub.app.clock, "nobody@example.com").await;
    assert!(matches!(unknown, Err(UserError::NotFound)));
}

#[tokio::test]
async fn the_operator_lists_accounts() {
    let hub = Hub::start().await;
    for address in ["ada@example.com", "bob@example.com"] {
        hub.register(address).await.expect(201);
    }
    let all = commands::list(&hub.app.db, None, None).await.unwrap();
    assert_eq!(
        all.iter().map(|user| user.handle.as_str()).collect::<Vec<_>>(),
        ["ada", "bob"]
    );
    let rest = commands::list(&hub.app.db, None, Some(all[0].id)).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!(commands::list(&hub.app.db, Some("BOB"), None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_commands_are_typed_and_answer_lines() {
    let hub = Hub::start().await;
    hub.register("ada@example.com").await.expect(201);
    let run = async |line: &str| {
        let arguments = commands::command().try_get_matches_from(line.split(' ')).unwrap();
        commands::execute(&arguments, &hub.app.db, &hub.app.clock).await
    };
    assert!(
        run("users list --query ada")
            .await
            .unwrap()
            .ends_with("ada@example.com  @ada  user  unverified")
    );
    assert!(
        run("users promote ada@example.com")
            .await
            .unwrap()
            .contains("@ada  admin")
    );
    assert_eq!(run("users list --query nobody").await.unwrap(), "");
    let unknown = run("users promote nobody@example.com").await.unwrap_err();
    assert_eq!(
        format!("{unknown:#}"),
        "promoting nobody@example.com: there is no such user"
    );
}
