//! Preferences: a row for each kind and channel, exceptions by project, a schedule, and the version of the whole.

use std::collections::BTreeMap;

use contracts::id::{ProjectId, UserId};
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value};

use crate::domain::{
    notification::Kind,
    preference::{Exception, Preferences, ProjectExceptions},
    schedule::Schedule,
};

/// The preferences of `user` and their version; 0 for a user who never changed any.
///
/// # Errors
/// The database's.
pub async fn find(db: &impl ConnectionTrait, user: UserId) -> Result<(Preferences, i64), DbErr> {
    // One statement, so that preferences and version belong together.
    let sql = "SELECT v.version AS version, p.project_id AS project_id, p.kind AS kind, p.channel AS channel, p.enabled AS enabled,
                      s.time_zone AS time_zone, s.quiet_from AS quiet_from, s.quiet_to AS quiet_to, s.digest AS digest
               FROM preference_versions v
               LEFT JOIN schedules s ON s.user_id = v.user_id
               LEFT JOIN (SELECT user_id, NULL AS project_id, kind, channel, enabled FROM preferences WHERE user_id = $1
                          UNION ALL SELECT user_id, project_id, kind, channel, enabled FROM project_preferences WHERE user_id = $1) p
                      ON p.user_id = v.user_id
               WHERE v.user_id = $1";
    let query = Statement::from_sql_and_values(db.get_database_backend(), sql, [user.into()]);
    let mut preferences = Preferences::default();
    let mut version = 0;
    let mut projects: BTreeMap<ProjectId, Vec<Exception>> = BTreeMap::new();
    for row in &db.query_all_raw(query).await? {
        version = row.try_get("", "version")?;
        preferences.schedule = schedule(row)?;
        // A kind of a newer release stays as it is, though this one cannot show it.
        let Some(kind) = row
            .try_get::<Option<String>>("", "kind")?
            .as_deref()
            .and_then(Kind::named)
        else {
            continue;
        };
        let (channel, enabled): (String, bool) = (row.try_get("", "channel")?, row.try_get("", "enabled")?);
        match row.try_get::<Option<ProjectId>>("", "project_id")? {
            None => {
                if let Some(one) = preferences.of_mut(kind) {
                    match channel.as_str() {
                        "in_app" => one.in_app = enabled,
                        "email" => one.email = enabled,
                        "slack" => one.slack = enabled,
                        _ => {}
                    }
                }
            }
            Some(project) => except(projects.entry(project).or_default(), kind, &channel, enabled),
        }
    }
    let ordered = |mut exceptions: Vec<Exception>| {
        exceptions.sort_by_key(|one| one.kind);
        exceptions
    };
    let projects = projects.into_iter().map(|(project, exceptions)| ProjectExceptions {
        project,
        exceptions: ordered(exceptions),
    });
    preferences.projects = projects.collect();
    Ok((preferences, version))
}

fn except(exceptions: &mut Vec<Exception>, kind: Kind, channel: &str, enabled: bool) {
    let position = exceptions.iter().position(|one| one.kind == kind).unwrap_or_else(|| {
        exceptions.push(Exception {
            kind,
            in_app: None,
            email: None,
            slack: None,
        });
        exceptions.len() - 1
    });
    let one = &mut exceptions[position];
    match channel {
        "in_app" => one.in_app = Some(enabled),
        "email" => one.email = Some(enabled),
        "slack" => one.slack = Some(enabled),
        _ => {}
    }
}

/// The schedule in a row with its columns; that of a user who has none is the default.
pub(super) fn schedule(row: &QueryResult) -> Result<Schedule, DbErr> {
    let text = |column: &str| row.try_get::<Option<String>>("", column);
    let (from, to) = (text("quiet_from")?, text("quiet_to")?);
    let quiet = from.as_deref().zip(to.as_deref());
    let (zone, digest) = (text("time_zone")?, text("digest")?);
    Schedule::parse(zone.as_deref(), quiet, digest.as_deref())
        .map_err(|wrong| DbErr::Type(format!("schedules: {wrong:?}")))
}

/// Takes the preferences of `user` for changing: raises their version and answers the one before. Others who want to change
/// them wait until this transaction ends.
///
/// # Errors
/// The database's.
pub async fn take(tx: &Tx, user: UserId) -> Result<i64, DbErr> {
    let sql = "INSERT INTO preference_versions (user_id, version) VALUES ($1, 1)
               ON CONFLICT (user_id) DO UPDATE SET version = preference_versions.version + 1 RETURNING version";
    let row = tx
        .query_one_raw(Statement::from_sql_and_values(
            tx.get_database_backend(),
            sql,
            [user.into()],
        ))
        .await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("the version just written".to_owned()))?;
    row.try_get::<i64>("", "version").map(|version| version - 1)
}

/// Replaces the preferences of `user`, of the kinds that this release knows.
///
/// # Errors
/// The database's.
pub async fn replace(tx: &Tx, user: UserId, preferences: &Preferences) -> Result<(), DbErr> {
    let mut values: Vec<Value> = vec![user.into()];
    let mut rows = Vec::new();
    for one in preferences.all() {
        for (channel, enabled) in [("in_app", one.in_app), ("email", one.email), ("slack", one.slack)] {
            rows.push(format!(
                "($1, ${}, '{channel}', ${})",
                values.len() + 1,
                values.len() + 2
            ));
            values.extend([one.kind.name().into(), enabled.into()]);
        }
    }
    let sql = format!(
        "INSERT INTO preferences (user_id, kind, channel, enabled) VALUES {}
         ON CONFLICT (user_id, kind, channel) DO UPDATE SET enabled = excluded.enabled",
        rows.join(", ")
    );
    execute(tx, &sql, values).await?;
    let known: Vec<String> = Kind::ALL.iter().map(|kind| format!("'{}'", kind.name())).collect();
    let sql = format!(
        "DELETE FROM project_preferences WHERE user_id = $1 AND kind IN ({})",
        known.join(", ")
    );
    execute(tx, &sql, vec![user.into()]).await?;
    for ProjectExceptions { project, exceptions } in &preferences.projects {
        for one in exceptions {
            for (channel, enabled) in [("in_app", one.in_app), ("email", one.email), ("slack", one.slack)] {
                let Some(enabled) = enabled else { continue };
                let sql = "INSERT INTO project_preferences (user_id, project_id, kind, channel, enabled) VALUES ($1, $2, $3, $4, $5)";
                let values = vec![
                    user.into(),
                    (*project).into(),
                    one.kind.name().into(),
                    channel.into(),
                    enabled.into(),
                ];
                execute(tx, sql, values).await?;
            }
        }
    }
    let schedule = &preferences.schedule;
    let sql = "INSERT INTO schedules (user_id, time_zone, quiet_from, quiet_to, digest) VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (user_id) DO UPDATE SET time_zone = excluded.time_zone, quiet_from = excluded.quiet_from,
               quiet_to = excluded.quiet_to, digest = excluded.digest";
    let values = vec![
        user.into(),
        schedule.zone().into(),
        schedule.quiet.map(|quiet| quiet.from()).into(),
        schedule.quiet.map(|quiet| quiet.to()).into(),
        schedule.digest.name().into(),
    ];
    execute(tx, sql, values).await
}

async fn execute(tx: &Tx, sql: &str, values: Vec<Value>) -> Result<(), DbErr> {
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, values);
    tx.execute_raw(statement).await.map(drop)
}
