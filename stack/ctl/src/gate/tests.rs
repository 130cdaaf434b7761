//! Which release may follow which. Histories are made up and walked forward and back, as operators do.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A release whose only service has these migrations: `name`, or `name-expansion` for a contraction.
fn release(version: &str, migrations: &[&str]) -> Vec<Statement> {
    let migrations: Vec<Migration> = migrations
        .iter()
        .map(|text| match text.split_once('-') {
            Some((name, expansion)) => Migration::contraction(name, expansion, "2"),
            None => Migration::expansion(*text),
        })
        .collect();
    vec![Statement {
        service: "project".to_owned(),
        version: version.to_owned(),
        revision: "unknown".to_owned(),
        oldest_release: "1".to_owned(),
        head: migrations.last().map(|last| last.name.clone()).unwrap_or_default(),
        migrations,
        publishes: BTreeMap::new(),
        consumes: BTreeMap::new(),
        retired: Vec::new(),
    }]
}

/// As [`release`], of one that publishes and consumes these event types and has retired `moved.v1` for `moved.v2` if told.
fn speaking(version: &str, publishes: &[&str], consumes: &[&str], retired: bool) -> Vec<Statement> {
    let hashed = |events: &[&str]| {
        events
            .iter()
            .map(|event| ((*event).to_owned(), "0".to_owned()))
            .collect()
    };
    let mut release = release(version, &["a"]);
    release[0].publishes = hashed(publishes);
    release[0].consumes = hashed(consumes);
    if retired {
        release[0].retired = vec![Retired {
            event: "moved.v1".to_owned(),
            successor: "moved.v2".to_owned(),
            since: "2".to_owned(),
        }];
    }
    release
}

/// What stands after these, the last of which runs.
fn standing(history: &[Vec<Statement>]) -> Installed {
    let running = history.last().cloned().unwrap_or_default();
    Installed::after(history.iter().flatten(), running)
}

/// The reasons against it, as text.
fn why(installed: &Installed, target: &[Statement], direction: Direction) -> Vec<String> {
    let refusals = check(installed, target, direction).err().unwrap_or_default();
    refusals.iter().map(ToString::to_string).collect()
}

#[test]
fn anything_may_be_deployed_where_nothing_stands() {
    let whole = release("3", &["a", "b", "c-b"]);
    assert_eq!(check(&Installed::default(), &whole, Direction::Deploy), Ok(()));
}

#[test]
fn expansions_may_come_and_be_gone_back_over() {
    let (one, two) = (release("1", &["a"]), release("2", &["a", "b"]));
    let installed = standing(std::slice::from_ref(&one));
    assert_eq!(check(&installed, &two, Direction::Deploy), Ok(()));
    let installed = standing(&[one.clone(), two]);
    assert_eq!(check(&installed, &one, Direction::Rollback), Ok(()));
}

#[test]
fn a_contraction_waits_for_the_release_of_its_expansion() {
    let (one, two, three) = (
        release("1", &["a"]),
        release("2", &["a", "b"]),
        release("3", &["a", "b", "c-b"]),
    );
    let said = why(&standing(std::slice::from_ref(&one)), &three, Direction::Deploy);
    assert_eq!(
        said,
        [
            "project: c removes what 1, which runs now, still uses: its expansion b was not released before; release 2 first"
        ]
    );
    assert_eq!(check(&standing(&[one, two]), &three, Direction::Deploy), Ok(()));
}

#[test]
fn nobody_goes_back_behind_a_contraction() {
    let (one, two, three) = (
        release("1", &["a"]),
        release("2", &["a", "b"]),
        release("3", &["a", "b", "c-b"]),
    );
    let installed = standing(&[one.clone(), two.clone(), three]);
    assert_eq!(check(&installed, &two, Direction::Rollback), Ok(()));
    let refusals = check(&installed, &one, Direction::Rollback).unwrap_err();
    assert_eq!(
        (refusals[0].service.as_str(), refusals[0].what.as_str()),
        ("project", "c")
    );
    assert_eq!(
        refusals[0].why,
        "project 1 cannot run on the schema: c was applied and removed what this version still uses, since it lacks b; 2 is \
         the oldest release that project can go back to"
    );
}

#[test]
fn what_a_release_applied_stays_also_when_it_was_taken_back() {
    let (one, two, three) = (
        release("1", &["a"]),
        release("2", &["a", "b"]),
        release("3", &["a", "b", "c-b"]),
    );
    // The third one failed, and the second runs again.
    let installed = standing(&[one.clone(), two.clone(), three, two]);
    assert_eq!(why(&installed, &one, Direction::Rollback).len(), 1);
}

#[test]
fn all_reasons_are_told_at_once() {
    let mut target = release("3", &["a", "b", "c-b", "d-b"]);
    target.extend(release("3", &["a", "b", "c-b"]));
    target[1].service = "auth".to_owned();
    let mut first = release("1", &["a"]);
    first.extend(release("1", &["a"]));
    first[1].service = "auth".to_owned();
    let refusals = check(&standing(&[first]), &target, Direction::Deploy).unwrap_err();
    let told: Vec<(&str, &str)> = refusals
        .iter()
        .map(|one| (one.service.as_str(), one.what.as_str()))
        .collect();
    assert_eq!(told, [("project", "c"), ("project", "d"), ("auth", "c")]);
}

#[test]
fn an_event_type_goes_only_when_its_successor_is_heard() {
    let one = speaking("1", &["moved.v1"], &["moved.v1"], false);
    let both = speaking("2", &["moved.v1", "moved.v2"], &["moved.v1", "moved.v2"], false);
    let published = speaking("2", &["moved.v1", "moved.v2"], &["moved.v1"], false);
    let three = speaking("3", &["moved.v2"], &["moved.v2"], true);
    let words = "reacts to moved.v1, which the other release publishes as moved.v2 only; 2 is the oldest release that knows both";
    for (before, expected) in [(&one, 1), (&published, 1), (&both, 0)] {
        let forward = why(&standing(std::slice::from_ref(before)), &three, Direction::Deploy);
        let back = why(&standing(&[before.clone(), three.clone()]), before, Direction::Rollback);
        assert_eq!((forward.len(), back.len()), (expected, expected));
        assert!(
            forward.iter().chain(&back).all(|why| why.contains(words)),
            "{forward:?} {back:?}"
        );
    }
    // Nobody here hears it.
    let deaf = speaking("1", &["moved.v1"], &[], false);
    assert_eq!(check(&standing(&[deaf]), &three, Direction::Deploy), Ok(()));
    // A type that is new breaks nobody who does not know it.
    assert_eq!(
        check(&standing(&[one.clone(), both.clone()]), &one, Direction::Rollback),
        Ok(())
    );
}

/// Releases of one service, each with the migrations of the one before and up to two more. A contraction names any earlier
/// migration.
fn histories() -> impl Strategy<Value = Vec<Vec<Statement>>> {
    let step = prop::collection::vec(prop::option::weighted(0.4, any::<prop::sample::Index>()), 0..3);
    prop::collection::vec(step, 1..8).prop_map(|steps| {
        let (mut migrations, mut releases): (Vec<Migration>, Vec<Vec<Statement>>) = (Vec::new(), Vec::new());
        for (number, step) in steps.into_iter().enumerate() {
            for contraction in step {
                let name = format!("m{}", migrations.len());
                let expansion = contraction.filter(|_| !migrations.is_empty());
                migrations.push(match expansion.map(|index| index.get(&migrations).name.clone()) {
                    Some(expansion) => Migration::contraction(name, expansion, "1"),
                    None => Migration::expansion(name),
                });
            }
            let mut release = release(&number.to_string(), &[]);
            release[0].migrations.clone_from(&migrations);
            releases.push(release);
        }
        releases
    })
}

/// The rule in its plainest form: the binary knows the migration or its expansion.
fn runs(binary: &[Statement], schema: &[Statement]) -> bool {
    schema[0].migrations.iter().all(|migration| {
        let expansion = migration
            .contraction
            .as_ref()
            .map(|contraction| contraction.expansion.as_str());
        binary[0].knows(&migration.name) || expansion.is_none_or(|expansion| binary[0].knows(expansion))
    })
}

proptest! {
    #[test]
    fn forward_needs_the_running_binary_and_back_needs_the_target(releases in histories()) {
        for (here, old) in releases.iter().enumerate() {
            for (there, new) in releases.iter().enumerate().skip(here) {
                let forward = check(&standing(std::slice::from_ref(old)), new, Direction::Deploy);
                prop_assert_eq!(forward.is_ok(), runs(old, new), "{} to {}", here, there);
                let back = check(&standing(&[old.clone(), new.clone()]), old, Direction::Rollback);
                prop_assert_eq!(back.is_ok(), runs(old, new), "{} back to {}", there, here);
            }
        }
    }

    #[test]
    fn what_may_be_deployed_may_be_taken_back_at_once(releases in histories()) {
        for pair in releases.windows(2) {
            if check(&standing(&pair[..1]), &pair[1], Direction::Deploy).is_ok() {
                prop_assert_eq!(check(&standing(pair), &pair[0], Direction::Rollback), Ok(()));
            }
        }
    }

    #[test]
    fn going_back_further_is_never_easier(releases in histories()) {
        let installed = standing(&releases);
        let open: Vec<bool> =
            releases.iter().map(|old| check(&installed, old, Direction::Rollback).is_ok()).collect();
        prop_assert!(open.is_sorted(), "{open:?}");
        prop_assert_eq!(open.last(), Some(&true));
    }

    #[test]
    fn failed_releases_only_narrow_what_is_possible(releases in histories(), failed in any::<prop::sample::Index>()) {
        let running = failed.get(&releases).clone();
        let (without, with) = (
            Installed::after(std::iter::empty(), running.clone()),
            Installed::after(releases.iter().flatten(), running),
        );
        for target in &releases {
            if check(&with, target, Direction::Rollback).is_ok() {
                prop_assert_eq!(check(&without, target, Direction::Rollback).is_ok() || !runs(&without.running, target), true);
            }
        }
    }
}
