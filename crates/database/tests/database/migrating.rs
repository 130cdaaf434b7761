//! The schema moves forward, whoever starts.

use database::{MigrationTrait, SchemaManager, migrate, pending, testing::TestDatabase};
use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::MigrationName;

struct Run(&'static str, &'static str);

impl MigrationName for Run {
    fn name(&self) -> &str {
        self.0
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Run {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(self.1).await.map(drop)
    }
}

fn one() -> Box<dyn MigrationTrait> {
    Box::new(Run("m0001_one", "CREATE TABLE one (id INTEGER)"))
}

fn two() -> Box<dyn MigrationTrait> {
    Box::new(Run("m0002_two", "CREATE TABLE two (id INTEGER)"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_migration_is_applied_once_in_order() {
    let database = TestDatabase::create().await;
    assert_eq!(
        pending(&database.db(), &[one(), two()]).await.unwrap(),
        ["m0001_one", "m0002_two"]
    );
    assert_eq!(migrate(&database.db(), &[one()]).await.unwrap(), ["m0001_one"]);
    assert_eq!(migrate(&database.db(), &[one(), two()]).await.unwrap(), ["m0002_two"]);
    assert!(migrate(&database.db(), &[one(), two()]).await.unwrap().is_empty());
    assert!(pending(&database.db(), &[one(), two()]).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_release_starts_on_the_schema_of_a_newer_one() {
    let database = TestDatabase::create().await;
    migrate(&database.db(), &[one(), two()]).await.unwrap();
    assert!(migrate(&database.db(), &[one()]).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_fails_leaves_the_schema_as_it_was_and_is_named() {
    let database = TestDatabase::create().await;
    let broken: Box<dyn MigrationTrait> = Box::new(Run("m0002_broken", "CREATE TABLE"));
    let error = migrate(&database.db(), &[one(), broken]).await.unwrap_err();
    assert_eq!(error.to_string(), "migration m0002_broken failed");
    assert_eq!(
        migrate(&database.db(), &[one()]).await.unwrap(),
        ["m0001_one"],
        "the first one was rolled back too"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_start_together_migrate_once() {
    let database = TestDatabase::create().await;
    let replicas = (0..4).map(|_| async {
        let replica = database.replica().await.unwrap();
        migrate(&replica, &[one(), two()]).await.unwrap().len()
    });
    let applied = futures_util::future::join_all(replicas).await;
    assert_eq!(applied.iter().sum::<usize>(), 2, "{applied:?}");
}
