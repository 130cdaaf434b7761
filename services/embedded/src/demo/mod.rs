//! `cloudtaskhub demo`: fills a running hub with a believable team, through its public API alone.

mod api;
pub(crate) mod outage;
mod story;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

use api::Api;

/// What to fill, and how much.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Address of the hub's gateway.
    #[arg(long, default_value = "http://gateway.localhost:8080")]
    pub(crate) url: String,
    /// How many tasks to make, over all projects.
    #[arg(long, default_value_t = 300)]
    pub(crate) tasks: usize,
    /// The same seed tells the same story.
    #[arg(long, default_value_t = 7)]
    pub(crate) seed: u64,
}

/// The password of every demo person; shown at the end so that one can sign in as any of them.
const PASSWORD: &str = "correct horse battery staple";

struct Person {
    id: String,
    handle: String,
    name: &'static str,
    email: String,
    token: String,
}

/// Fills the hub.
///
/// # Errors
/// When the hub cannot be reached or refuses a request; what was made until then stays.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let api = Api::new(&options.url)?;
    let mut rng = StdRng::seed_from_u64(options.seed);
    // One suffix for each run, so that the demo can be told twice to one hub.
    let team = format!("{:06x}", rand::rng().random::<u32>() & 0xff_ffff);
    let comments = options.tasks * 4 / 3;
    let steps = story::PEOPLE.len() + story::PROJECTS.len() + options.tasks + comments;
    let bar = ProgressBar::new(steps as u64).with_style(
        ProgressStyle::with_template("{msg:<28} [{bar:40}] {pos}/{len} {elapsed_precise}")?.progress_chars("=> "),
    );

    bar.set_message("inviting people in");
    let mut people = Vec::new();
    for (name, mail) in story::PEOPLE {
        people.push(
            join(&api, name, &format!("{mail}+{team}@example.com"))
                .await
                .with_context(|| format!("signing up {name}"))?,
        );
        bar.inc(1);
    }

    bar.set_message("setting up projects");
    let mut projects = Vec::new();
    for (index, project) in story::PROJECTS.iter().enumerate() {
        let owner = index % people.len();
        projects.push((found(&api, project, owner, &people).await?, project));
        bar.inc(1);
    }

    bar.set_message("planning and doing the work");
    let mut tasks = Vec::new();
    for number in 0..options.tasks {
        let ((project_id, members), project) = &projects[number % projects.len()];
        let author = *members.choose(&mut rng).context("a project has members")?;
        let task = task(project, members, &people, &mut rng);
        let path = format!("/v1/projects/{project_id}/tasks");
        let made = api.post(&path, &people[author].token, &task).await?;
        tasks.push((text(&made, "id")?, members));
        bar.inc(1);
    }

    bar.set_message("talking about it");
    for _ in 0..comments {
        let (task_id, members) = tasks.choose(&mut rng).context("there are tasks")?;
        let author = *members.choose(&mut rng).context("a project has members")?;
        let other = *members.choose(&mut rng).context("a project has members")?;
        let body = story::comment(&mut rng, &people[other].handle);
        api.post(
            &format!("/v1/tasks/{task_id}/comments"),
            &people[author].token,
            &json!({ "body": body }),
        )
        .await?;
        bar.inc(1);
    }
    bar.finish_with_message("done");
    report(&options, &people, projects.len(), tasks.len(), comments)
}

async fn join(api: &Api, name: &'static str, email: &str) -> anyhow::Result<Person> {
    let user = api
        .post(
            "/v1/auth/register",
            "",
            &json!({ "email": email, "password": PASSWORD, "display_name": name }),
        )
        .await?;
    let session = api
        .post("/v1/auth/login", "", &json!({ "email": email, "password": PASSWORD }))
        .await?;
    Ok(Person {
        id: text(&user, "id")?,
        handle: text(&user, "handle")?,
        name,
        email: email.to_owned(),
        token: text(&session, "access_token")?,
    })
}

/// Makes the project and brings its members in; answers its id and who is in it.
async fn found(
    api: &Api,
    project: &story::Project,
    owner: usize,
    people: &[Person],
) -> anyhow::Result<(String, Vec<usize>)> {
    let token = &people[owner].token;
    let made = api
        .post(
            "/v1/projects",
            token,
            &json!({ "name": project.name, "description": project.description }),
        )
        .await?;
    let id = text(&made, "id")?;
    let mut members = vec![owner];
    for (index, person) in people.iter().enumerate() {
        // Everybody is in about two thirds of the projects.
        if index != owner && !(index + project.name.len()).is_multiple_of(3) {
            let role = if index % 5 == 0 { "admin" } else { "member" };
            api.post(
                &format!("/v1/projects/{id}/members"),
                token,
                &json!({ "email": person.email, "role": role }),
            )
            .await?;
            members.push(index);
        }
    }
    Ok((id, members))
}

fn task(project: &story::Project, members: &[usize], people: &[Person], rng: &mut StdRng) -> Value {
    let status = story::STATUSES
        .choose_weighted(rng, |(_, weight)| *weight)
        .map_or("todo", |(status, _)| *status);
    let mut task = json!({
        "title": story::title(project, rng),
        "description": story::description(rng),
        "status": status,
        "priority": story::PRIORITIES.choose(rng),
        "labels": project.labels.choose_multiple(rng, 2).collect::<Vec<_>>(),
        "assignee_ids": members.choose_multiple(rng, 1).map(|index| &people[*index].id).collect::<Vec<_>>(),
    });
    if rng.random_bool(0.6) {
        let due = contracts::Timestamp::now() + std::time::Duration::from_secs(3600 * rng.random_range(6..24 * 30));
        task["due_at"] = json!(due.to_string());
    }
    task
}

fn report(options: &Options, people: &[Person], projects: usize, tasks: usize, comments: usize) -> anyhow::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout();
    let team = people.len();
    writeln!(
        out,
        "\n{team} people, {projects} projects, {tasks} tasks, {comments} comments. Sign in as any of them:"
    )?;
    for person in people {
        writeln!(out, "  {:<18} {}", person.name, person.email)?;
    }
    writeln!(out, "  password for all: {PASSWORD}")?;
    let json = json!({ "email": people.first().map(|person| &person.email), "password": PASSWORD });
    writeln!(out, "\n  curl -s {}/v1/auth/login --json '{json}'", options.url)?;
    Ok(())
}

fn text(value: &Value, field: &str) -> anyhow::Result<String> {
    value[field]
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("the hub's answer has no {field}: {value}"))
}
