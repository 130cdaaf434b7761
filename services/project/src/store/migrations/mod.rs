//! The schema, step by step. Migrations only expand: an older release must be able to run on a newer schema.

mod m1001_projects;
mod m2001_tasks;
mod m3001_imports;
mod m4001_quotas;
mod m4002_import_cause;

use database::MigrationTrait;

/// Every migration of this service, in order.
pub fn all() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(m1001_projects::CreateProjects),
        Box::new(m2001_tasks::CreateTasks),
        Box::new(m3001_imports::CreateImports),
        Box::new(m4001_quotas::CreateQuotas),
        Box::new(m4002_import_cause::AddImportCause),
    ]
}
