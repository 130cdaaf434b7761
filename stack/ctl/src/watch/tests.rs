//! What Swarm really answered in such situations, in short.

use serde_json::json;

use super::*;

const NEW: &str = "web:2";

fn limits() -> Limits {
    Limits {
        stable: Duration::from_secs(10),
        deadline: Duration::from_secs(600),
        failures: 3,
        unplaced: Duration::from_secs(30),
    }
}

fn definition() -> Definition {
    let value = json!({"services": {"web": {"image": NEW, "deploy": {"labels": {FOLLOWS: "two"}}}}});
    Definition::parse(&value.to_string()).unwrap()
}

/// The service as the API answers it.
fn service(image: &str, follows: &str, update: Option<(&str, &str)>, condition: &str) -> Service {
    let update =
        update.map(|(state, started)| json!({"State": state, "StartedAt": started, "Message": "task t9 failed"}));
    let value = json!({
        "ID": "s1",
        "Spec": {
            "Name": "hub_web",
            "Labels": {FOLLOWS: follows},
            "TaskTemplate": {"ContainerSpec": {"Image": image}, "RestartPolicy": {"Condition": condition}, "ForceUpdate": 0},
            "Mode": {"Replicated": {"Replicas": 2}},
        },
        "UpdateStatus": update,
    });
    Service::read(serde_json::from_value(value).unwrap(), "hub")
}

fn updated(update: Option<(&str, &str)>) -> Service {
    service(NEW, "two", update, "any")
}

fn task(id: &str, image: &str, state: &str, error: &str) -> Task {
    let desired = if ["failed", "shutdown", "complete"].contains(&state) {
        "shutdown"
    } else {
        "running"
    };
    let value = json!({
        "ID": id, "ServiceID": "s1", "Slot": 1, "CreatedAt": id, "DesiredState": desired,
        "Spec": {"ContainerSpec": {"Image": image}, "ForceUpdate": 0},
        "Status": {"State": state, "Err": error},
    });
    Task::read(serde_json::from_value(value).unwrap())
}

fn judge(watch: &mut Watch, service: Service, tasks: &[Task]) -> Condition {
    watch.judge(&[service], tasks, Instant::now()).remove("web").unwrap()
}

fn watch(before: Before) -> Watch {
    Watch::definition(&definition(), before, limits())
}

fn running(image: &str) -> [Task; 2] {
    [task("1", image, "running", ""), task("2", image, "running", "")]
}

fn reason(condition: Condition) -> String {
    match condition {
        Condition::Failed { reason } => reason,
        other => panic!("{other}"),
    }
}

#[test]
fn as_many_tasks_of_the_new_version_as_wished_are_ready() {
    let mut watch = watch(Before::default());
    assert_eq!(
        judge(&mut watch, updated(None), &running(NEW)),
        Condition::Ready { running: 2 }
    );
    let mixed = [task("1", "web:1", "running", ""), task("2", NEW, "running", "")];
    assert!(matches!(
        judge(&mut watch, updated(None), &mixed),
        Condition::Waiting {
            running: 1,
            wanted: 2,
            ..
        }
    ));
    let starting = [task("1", NEW, "starting", ""), task("2", NEW, "running", "")];
    assert!(matches!(
        judge(&mut watch, updated(None), &starting),
        Condition::Waiting { running: 1, .. }
    ));
}

#[test]
fn an_update_under_way_is_waited_for_even_when_all_tasks_run() {
    let condition = judge(
        &mut watch(Before::default()),
        updated(Some(("updating", "t2"))),
        &running(NEW),
    );
    assert!(
        matches!(condition, Condition::Waiting { running: 2, .. }),
        "{condition}"
    );
}

#[test]
fn an_update_that_swarm_took_back_or_paused_has_failed_with_swarms_words() {
    for state in ["rollback_started", "rollback_completed", "rollback_paused", "paused"] {
        let reason = reason(judge(
            &mut watch(Before::default()),
            updated(Some((state, "t2"))),
            &running(NEW),
        ));
        assert!(reason.contains(state) && reason.contains("task t9 failed"), "{reason}");
    }
}

#[test]
fn completed_with_the_old_image_or_the_old_definition_has_failed() {
    let old = service("web:1", "one", Some(("completed", "t2")), "any");
    assert!(reason(judge(&mut watch(Before::default()), old, &running("web:1"))).contains("gone back to web:1"));
    // Only a setting has changed, so the image tells nothing.
    let old = service(NEW, "one", Some(("completed", "t2")), "any");
    assert!(reason(judge(&mut watch(Before::default()), old, &running(NEW))).contains("earlier definition"));
}

#[test]
fn words_of_an_older_update_mean_nothing() {
    let old = updated(Some(("rollback_completed", "t1")));
    let before = Before::of(std::slice::from_ref(&old), &[]);
    assert_eq!(
        judge(&mut watch(before), old, &running(NEW)),
        Condition::Ready { running: 2 }
    );
}

#[test]
fn tasks_that_keep_failing_are_counted_also_when_swarm_forgets_them() {
    let mut watch = watch(Before::default());
    let up = task("9", NEW, "running", "");
    for id in ["1", "2"] {
        let tasks = [task(id, NEW, "failed", "task: non-zero exit (3)"), up.clone()];
        assert!(matches!(
            judge(&mut watch, updated(None), &tasks),
            Condition::Waiting { .. }
        ));
    }
    let tasks = [task("3", NEW, "failed", "task: non-zero exit (3)"), up];
    assert!(
        reason(judge(&mut watch, updated(None), &tasks))
            .contains("3 tasks failed, the last with: task: non-zero exit (3)")
    );
}

#[test]
fn a_task_that_was_unhealthy_and_obeyed_has_failed_though_it_ended_well() {
    let mut watch = watch(Before::default());
    let tasks = ["1", "2", "3"].map(|id| task(id, NEW, "complete", ""));
    let reason = reason(judge(&mut watch, updated(None), &tasks));
    assert!(reason.contains("it ended by itself, or was unhealthy"), "{reason}");
    let taken_away = ["4", "5", "6"].map(|id| task(id, NEW, "shutdown", ""));
    let tasks = [&taken_away[..], &running(NEW)[..]].concat();
    let condition = judge(
        &mut Watch::definition(&definition(), Before::default(), limits()),
        updated(None),
        &tasks,
    );
    assert_eq!(condition, Condition::Ready { running: 2 });
}

#[test]
fn after_a_task_failed_the_others_have_to_live_longer_than_it_did() {
    let mut watch = watch(Before::default());
    let now = Instant::now();
    let mut look =
        |seconds, tasks: &[Task]| drop(watch.judge(&[updated(None)], tasks, now + Duration::from_secs(seconds)));
    look(0, &running(NEW));
    look(
        20,
        &[
            task("1", NEW, "failed", "unhealthy"),
            task("2", NEW, "running", ""),
            task("3", NEW, "running", ""),
        ],
    );
    assert_eq!(watch.stability(), Duration::from_secs(30));
}

#[test]
fn failures_from_before_and_of_the_old_version_do_not_count() {
    let old = [
        task("1", NEW, "failed", "x"),
        task("2", NEW, "failed", "x"),
        task("3", NEW, "failed", "x"),
    ];
    let before = Before::of(&[], &old);
    let others = ["4", "5", "6"].map(|id| task(id, "web:1", "failed", "x"));
    let tasks = [&old[..], &others[..], &running(NEW)[..]].concat();
    assert_eq!(
        judge(&mut watch(before), updated(None), &tasks),
        Condition::Ready { running: 2 }
    );
}

#[test]
fn a_task_without_a_place_is_waited_for_a_while() {
    let mut watch = watch(Before::default());
    let now = Instant::now();
    let tasks = [
        task("1", NEW, "pending", "no suitable node (insufficient memory on 1 node)"),
        task("2", NEW, "running", ""),
    ];
    let mut look = |seconds| {
        watch
            .judge(&[updated(None)], &tasks, now + Duration::from_secs(seconds))
            .remove("web")
            .unwrap()
    };
    assert!(matches!(look(0), Condition::Waiting { .. }));
    assert!(matches!(look(29), Condition::Waiting { .. }));
    assert!(reason(look(30)).contains("insufficient memory"));
}

#[test]
fn a_job_is_ready_when_its_newest_task_has_ended_well() {
    let job = || service(NEW, "two", None, "on-failure");
    let mut watch = watch(Before::default());
    let attempts = [
        task("1", NEW, "failed", "task: non-zero exit (1)"),
        task("2", NEW, "complete", ""),
    ];
    assert_eq!(judge(&mut watch, job(), &attempts), Condition::Ready { running: 0 });
    assert!(matches!(
        judge(&mut watch, job(), &attempts[..1]),
        Condition::Waiting { .. }
    ));
    let old = [task("1", "web:1", "complete", "")];
    assert!(matches!(judge(&mut watch, job(), &old), Condition::Waiting { .. }));
}

#[test]
fn a_service_that_is_not_there_has_failed() {
    let condition = watch(Before::default())
        .judge(&[], &[], Instant::now())
        .remove("web")
        .unwrap();
    assert!(reason(condition).contains("no such service"));
}
