//! Shadow tables: made, compared with the live ones, put in their place.
//!
//! Who rebuilds holds a row with a time limit and renews it with every step, so two rebuilds never write the same shadows,
//! and one that was killed blocks the next for a minute only.

use std::time::Duration;

use contracts::Timestamp;
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr};

use super::{
    projection::{self, PROJECTIONS, Projection, Tables},
    rows::{execute, query},
    task,
};

/// How long a rebuild may be silent before another may begin.
const HOLD: Duration = Duration::from_secs(60);

/// Tasks that are cut in one go.
const CUT: i64 = 2000;

/// Takes the right to rebuild for `owner`; answers until when another has it, if one has.
///
/// # Errors
/// The database's.
pub async fn claim(tx: &Tx, owner: &str, now: Timestamp) -> Result<Option<Timestamp>, DbErr> {
    let sql = "UPDATE rebuilds SET owner = $1, held_until = $2 WHERE id = 1 AND held_until < $3";
    let until = now + HOLD;
    if execute(tx, sql, [owner.into(), until.into(), now.into()]).await? > 0 {
        return Ok(None);
    }
    let rows = query(tx, "SELECT held_until FROM rebuilds WHERE id = 1", []).await?;
    rows.first().map(|row| row.try_get_by_index(0)).transpose()
}

/// Renews the right to rebuild; answers whether `owner` still has it.
///
/// # Errors
/// The database's.
pub async fn hold(tx: &Tx, owner: &str, now: Timestamp) -> Result<bool, DbErr> {
    let sql = "UPDATE rebuilds SET held_until = $2 WHERE id = 1 AND owner = $1";
    Ok(execute(tx, sql, [owner.into(), (now + HOLD).into()]).await? > 0)
}

/// Gives the right to rebuild back.
///
/// # Errors
/// The database's.
pub async fn release(tx: &Tx, owner: &str) -> Result<(), DbErr> {
    let sql = "UPDATE rebuilds SET owner = '', held_until = 0 WHERE id = 1 AND owner = $1";
    execute(tx, sql, [owner.into()]).await.map(drop)
}

/// Removes what a rebuild that was killed has left behind; answers whether none is running. Then none begins before `tx` ends.
///
/// # Errors
/// The database's.
pub async fn sweep(tx: &Tx, now: Timestamp) -> Result<bool, DbErr> {
    let sql = "UPDATE rebuilds SET owner = '', held_until = 0 WHERE id = 1 AND owner <> '' AND held_until < $1";
    if execute(tx, sql, [now.into()]).await? > 0 {
        projection::remove(tx, Tables::SHADOW).await?;
    }
    let free = "UPDATE rebuilds SET held_until = 0 WHERE id = 1 AND owner = ''";
    Ok(execute(tx, free, []).await? > 0)
}

/// Makes the shadow tables: empty, or with what is from before `since`.
///
/// Memberships, users and names are kept in their newest version: learning them again changes nothing.
///
/// # Errors
/// The database's.
pub async fn prepare(tx: &Tx, since: Option<Timestamp>) -> Result<(), DbErr> {
    projection::remove(tx, Tables::SHADOW).await?;
    projection::create(tx, Tables::SHADOW).await?;
    let Some(since) = since else { return Ok(()) };
    for projection in PROJECTIONS {
        let (shadow, columns) = (Tables::SHADOW.name(projection.name), projection.columns().join(", "));
        let copy = format!(
            "INSERT INTO {shadow} ({columns}) SELECT {columns} FROM {}",
            projection.name
        );
        match projection.time {
            Some(time) => execute(tx, format!("{copy} WHERE {time} < $1"), [since.into()]).await?,
            None => execute(tx, copy, []).await?,
        };
    }
    cut(tx, since).await?;
    let recount = "UPDATE shadow_projects SET finished = COALESCE((SELECT counted.finished FROM
            (SELECT project_id, COUNT(*) AS finished FROM shadow_tasks WHERE was_done GROUP BY project_id) AS counted
            WHERE counted.project_id = shadow_projects.project_id), 0)";
    execute(tx, recount, []).await.map(drop)
}

/// Takes what happened at `since` or later out of the shadows' tasks.
async fn cut(tx: &Tx, since: Timestamp) -> Result<(), DbErr> {
    let mut after = String::new();
    loop {
        let sql = "SELECT task_id FROM shadow_tasks WHERE task_id > $1 AND changed_at >= $2 ORDER BY task_id LIMIT $3";
        let rows = query(tx, sql, [after.into(), since.into(), CUT.into()]).await?;
        let ids: Vec<contracts::id::TaskId> = rows
            .iter()
            .map(|row| row.try_get_by_index(0))
            .collect::<Result<_, _>>()?;
        let Some(last) = ids.last() else { return Ok(()) };
        after = last.to_string();
        let mut kept = Vec::new();
        for (id, mut task) in task::these(tx, Tables::SHADOW, &ids).await? {
            if task.cut(since) {
                kept.push(task::row(id, &task));
            } else {
                execute(tx, "DELETE FROM shadow_tasks WHERE task_id = $1", [id.into()]).await?;
            }
        }
        task::write(tx, Tables::SHADOW, &kept).await?;
    }
}

/// How a rebuilt table differs from the live one, in rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parity {
    /// The live table's name.
    pub table: &'static str,
    /// The same in both.
    pub equal: u64,
    /// In both, with other values.
    pub different: u64,
    /// In the live one only.
    pub missing: u64,
    /// In the rebuilt one only.
    pub added: u64,
}

impl Parity {
    /// Whether both say the same.
    pub fn holds(&self) -> bool {
        self.different + self.missing + self.added == 0
    }
}

/// Compares a table with its shadow.
///
/// # Errors
/// The database's.
pub async fn compare(db: &impl ConnectionTrait, projection: &Projection) -> Result<Parity, DbErr> {
    let all = |columns: &[&str], operator: &str| {
        let pairs: Vec<String> = columns
            .iter()
            .map(|column| format!("live.{column} {operator} shadow.{column}"))
            .collect();
        pairs.join(" AND ")
    };
    let key = projection.key[0];
    let sql = format!(
        "SELECT COUNT(CASE WHEN live.{key} IS NOT NULL AND shadow.{key} IS NOT NULL AND {same} THEN 1 END),
                COUNT(CASE WHEN live.{key} IS NOT NULL AND shadow.{key} IS NOT NULL AND NOT ({same}) THEN 1 END),
                COUNT(CASE WHEN shadow.{key} IS NULL THEN 1 END), COUNT(CASE WHEN live.{key} IS NULL THEN 1 END)
         FROM {name} AS live FULL JOIN {shadow} AS shadow ON {keys}",
        same = all(projection.values, "IS NOT DISTINCT FROM"),
        keys = all(projection.key, "="),
        name = projection.name,
        shadow = Tables::SHADOW.name(projection.name),
    );
    let rows = query(db, sql, []).await?;
    let count = |place: usize| -> Result<u64, DbErr> {
        let count: i64 = rows.first().map_or(Ok(0), |row| row.try_get_by_index(place))?;
        Ok(count.unsigned_abs())
    };
    Ok(Parity {
        table: projection.name,
        equal: count(0)?,
        different: count(1)?,
        missing: count(2)?,
        added: count(3)?,
    })
}

/// Puts the shadow tables in the place of the live ones.
///
/// # Errors
/// The database's.
pub async fn swap(tx: &Tx) -> Result<(), DbErr> {
    projection::remove(tx, Tables::LIVE).await?;
    for projection in PROJECTIONS {
        let shadow = Tables::SHADOW.name(projection.name);
        tx.execute_unprepared(&format!("ALTER TABLE {shadow} RENAME TO {}", projection.name))
            .await?;
    }
    Ok(())
}
