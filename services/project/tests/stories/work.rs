//! The tasks of the stories.

use serde_json::{Value, json};
use testkit::Actor;

use crate::team::{App, add, person, project_of, text};

/// A project of Ada's in which Bruno is a member and Vera a viewer, and Otto, who has nothing to do with it.
pub(crate) struct Team {
    pub(crate) app: App,
    pub(crate) ada: Actor,
    pub(crate) bruno: Actor,
    pub(crate) vera: Actor,
    pub(crate) otto: Actor,
    pub(crate) project: String,
}

impl Team {
    pub(crate) async fn start() -> Self {
        Self::of(App::start().await).await
    }

    pub(crate) async fn of(app: App) -> Self {
        let (ada, bruno) = (person(&app, "Ada").await, person(&app, "Bruno").await);
        let (vera, otto) = (person(&app, "Vera").await, person(&app, "Otto").await);
        let project = project_of(&ada, "Apollo").await;
        add(&ada, &project, "Bruno", "member").await;
        add(&ada, &project, "Vera", "viewer").await;
        Self {
            app,
            ada,
            bruno,
            vera,
            otto,
            project,
        }
    }

    /// Where the project's tasks are.
    pub(crate) fn tasks(&self) -> String {
        format!("/v1/projects/{}/tasks", self.project)
    }

    /// A new task by Ada with no more than a title; its id.
    pub(crate) async fn task(&self, title: &str) -> String {
        text(&self.task_with(json!({ "title": title })).await["id"])
    }

    /// A new task by Ada.
    pub(crate) async fn task_with(&self, body: Value) -> Value {
        self.ada.post(self.tasks(), body).await.expect(201).json
    }

    /// The titles that Ada finds with this query, on one page.
    pub(crate) async fn titles(&self, query: &str) -> Vec<String> {
        let page = self.ada.get(format!("{}?{query}", self.tasks())).await.expect(200).json;
        titles(&page["items"])
    }

    /// Ada puts the project away.
    pub(crate) async fn archive(&self) {
        let path = format!("/v1/projects/{}", self.project);
        self.ada
            .patch(path, json!({ "archived": true }))
            .header("if-match", "*")
            .await
            .expect(200);
    }
}

/// The titles of some tasks.
pub(crate) fn titles(items: &Value) -> Vec<String> {
    items
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| text(&item["title"]))
        .collect()
}
