//! What follows when a meter moves: a threshold that is reached is told once, until it is left again.

use contracts::{
    Timestamp,
    billing::UsageThresholdReached,
    id::{ProjectId, UserId},
};
use database::Tx;
use sea_orm::DbErr;

use crate::{
    domain::{
        catalogue::FREE,
        usage::{Meter, threshold},
    },
    store::{
        self,
        usage::{Project, Reading},
    },
};

/// Looks at a meter after it moved.
///
/// # Errors
/// The database's.
pub async fn read(tx: &Tx, user: UserId, meter: Meter, reading: Reading, now: Timestamp) -> Result<(), DbErr> {
    let percent = threshold(reading.used, reading.allowed);
    if percent == reading.threshold {
        return Ok(());
    }
    store::usage::set_threshold(tx, user, meter, percent).await?;
    let (Some(limit), true) = (reading.allowed, percent > reading.threshold) else {
        return Ok(());
    };
    let subscription = store::subscription::find(tx, user).await?;
    let event = UsageThresholdReached {
        user_id: user,
        meter: meter.name().to_owned(),
        percent,
        used: reading.used,
        limit,
        plan: subscription.map_or_else(|| FREE.to_owned(), |subscription| subscription.plan),
        reached_at: now,
    };
    messaging::append(tx, &event)?;
    Ok(())
}

/// Adds to a meter of `user`.
///
/// # Errors
/// The database's.
pub async fn add(tx: &Tx, user: UserId, meter: Meter, by: i64, now: Timestamp) -> Result<(), DbErr> {
    let reading = store::usage::add(tx, user, meter, by).await?;
    read(tx, user, meter, reading, now).await
}

/// Counts the people in the projects of `user` anew.
///
/// # Errors
/// The database's.
pub async fn count_members(tx: &Tx, user: UserId, now: Timestamp) -> Result<(), DbErr> {
    let many = store::usage::count_members(tx, user).await?;
    let reading = store::usage::set(tx, user, Meter::Members, many).await?;
    read(tx, user, Meter::Members, reading, now).await
}

/// A project, unless it is gone.
///
/// # Errors
/// The database's.
pub async fn living(tx: &Tx, project: ProjectId) -> Result<Option<Project>, DbErr> {
    let found = store::usage::take_project(tx, project).await?;
    Ok(Some(found).filter(|project| !project.deleted))
}

/// Somebody is, or is not any more, a member of a project.
///
/// # Errors
/// The database's.
pub async fn set_member(
    tx: &Tx,
    project: ProjectId,
    user: UserId,
    present: bool,
    version: i64,
    now: Timestamp,
) -> Result<(), DbErr> {
    let Some(living) = living(tx, project).await? else {
        return Ok(());
    };
    store::usage::set_member(tx, project, user, present, version).await?;
    match living.owner {
        Some(owner) => count_members(tx, owner, now).await,
        None => Ok(()),
    }
}
