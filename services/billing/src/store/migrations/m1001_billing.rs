//! Accounts with their subscriptions, orders, invoices and payments.

use database::{MigrationTrait, SchemaManager};
use sea_orm::{ConnectionTrait, DbBackend, DbErr};

pub(super) struct CreateBilling;

impl sea_orm_migration::MigrationName for CreateBilling {
    fn name(&self) -> &str {
        "m1001_billing"
    }
}

const TABLES: &str = "CREATE TABLE accounts (
        user_id TEXT PRIMARY KEY, email TEXT NOT NULL, profile_version BIGINT NOT NULL, trial_used_at BIGINT,
        customer TEXT, method TEXT, closed_at BIGINT, created_at BIGINT NOT NULL);
     CREATE TABLE credit_balances (
        user_id TEXT NOT NULL, currency TEXT NOT NULL, amount_minor BIGINT NOT NULL CHECK (amount_minor >= 0),
        PRIMARY KEY (user_id, currency));
     CREATE TABLE billing_profiles (
        user_id TEXT PRIMARY KEY, name TEXT NOT NULL, address TEXT NOT NULL, country TEXT NOT NULL, vat_id TEXT NOT NULL,
        version BIGINT NOT NULL);

     CREATE TABLE subscriptions (
        id TEXT PRIMARY KEY, user_id TEXT NOT NULL UNIQUE, plan TEXT NOT NULL, status TEXT NOT NULL, seats BIGINT NOT NULL,
        billing_interval TEXT NOT NULL, currency TEXT NOT NULL, seat_price_minor BIGINT NOT NULL, limits TEXT NOT NULL,
        anchor_at BIGINT NOT NULL, period BIGINT NOT NULL, period_start BIGINT NOT NULL, period_end BIGINT,
        cancel_at_period_end BOOLEAN NOT NULL, past_due_since BIGINT, renew_at BIGINT, catalogue TEXT NOT NULL,
        version BIGINT NOT NULL);
     CREATE INDEX subscriptions_due ON subscriptions (renew_at) WHERE renew_at IS NOT NULL;
     CREATE INDEX subscriptions_by_catalogue ON subscriptions (catalogue);

     CREATE TABLE orders (
        id TEXT PRIMARY KEY, user_id TEXT NOT NULL, plan TEXT NOT NULL, seats BIGINT NOT NULL, billing_interval TEXT NOT NULL,
        currency TEXT, state TEXT NOT NULL, terms TEXT, invoice_id TEXT, reason TEXT, detail TEXT,
        requested_at BIGINT NOT NULL, received_at BIGINT NOT NULL, updated_at BIGINT NOT NULL);
     CREATE INDEX orders_by_user ON orders (user_id, id);
     CREATE INDEX orders_accepted ON orders (user_id, received_at, id) WHERE state = 'accepted';
     CREATE TABLE order_steps (
        order_id TEXT NOT NULL, position BIGINT NOT NULL, step TEXT NOT NULL, detail TEXT NOT NULL, at BIGINT NOT NULL,
        PRIMARY KEY (order_id, position));

     CREATE TABLE number_series (
        seller TEXT NOT NULL, kind TEXT NOT NULL, year BIGINT NOT NULL, last BIGINT NOT NULL, PRIMARY KEY (seller, kind, year));
     CREATE TABLE invoices (
        id TEXT PRIMARY KEY, user_id TEXT NOT NULL, number TEXT NOT NULL UNIQUE, seller_code TEXT NOT NULL, year BIGINT NOT NULL,
        sequence BIGINT NOT NULL, purpose TEXT NOT NULL, order_id TEXT, currency TEXT NOT NULL, net_minor BIGINT NOT NULL,
        tax_minor BIGINT NOT NULL, total_minor BIGINT NOT NULL, credit_minor BIGINT NOT NULL, due_minor BIGINT NOT NULL,
        tax TEXT NOT NULL, lines TEXT NOT NULL, seller TEXT NOT NULL, buyer TEXT NOT NULL, issued_at BIGINT NOT NULL,
        due_at BIGINT NOT NULL, UNIQUE (seller_code, year, sequence));
     CREATE INDEX invoices_by_user ON invoices (user_id, id);
     CREATE TABLE invoice_states (
        invoice_id TEXT PRIMARY KEY, state TEXT NOT NULL, credited_minor BIGINT NOT NULL, paid_at BIGINT,
        updated_at BIGINT NOT NULL);
     CREATE TABLE credit_notes (
        id TEXT PRIMARY KEY, user_id TEXT NOT NULL, invoice_id TEXT NOT NULL, number TEXT NOT NULL UNIQUE,
        seller_code TEXT NOT NULL, year BIGINT NOT NULL, sequence BIGINT NOT NULL, currency TEXT NOT NULL,
        net_minor BIGINT NOT NULL, tax_minor BIGINT NOT NULL, total_minor BIGINT NOT NULL, reason TEXT NOT NULL,
        issued_by TEXT, issued_at BIGINT NOT NULL, UNIQUE (seller_code, year, sequence));
     CREATE INDEX credit_notes_by_user ON credit_notes (user_id, id);
     CREATE INDEX credit_notes_by_invoice ON credit_notes (invoice_id);

     CREATE TABLE payments (
        id TEXT PRIMARY KEY, invoice_id TEXT NOT NULL, user_id TEXT NOT NULL, order_id TEXT, provider TEXT NOT NULL,
        method TEXT, currency TEXT NOT NULL, amount_minor BIGINT NOT NULL, attempt BIGINT NOT NULL, state TEXT NOT NULL,
        tries BIGINT NOT NULL, interrupted BIGINT NOT NULL, next_at BIGINT, deadline BIGINT, cancel_requested BOOLEAN NOT NULL,
        reference TEXT, action TEXT, reason TEXT, created_at BIGINT NOT NULL, finished_at BIGINT);
     CREATE INDEX payments_due ON payments (next_at) WHERE state IN ('pending', 'charging', 'waiting');
     CREATE INDEX payments_open ON payments (user_id) WHERE state IN ('pending', 'charging', 'waiting');
     CREATE INDEX payments_by_invoice ON payments (invoice_id);
     CREATE INDEX payments_by_order ON payments (order_id) WHERE order_id IS NOT NULL;
     CREATE INDEX payments_by_reference ON payments (reference) WHERE reference IS NOT NULL;

     CREATE TABLE catalogues (
        id BIGINT PRIMARY KEY, version BIGINT NOT NULL, digest TEXT NOT NULL, published_at BIGINT NOT NULL);";

/// What is issued never changes, whoever writes the SQL.
const IMMUTABLE_ON_SQLITE: &str = "CREATE TRIGGER invoices_stay BEFORE UPDATE ON invoices
        BEGIN SELECT RAISE(ABORT, 'an issued invoice never changes'); END;
     CREATE TRIGGER invoices_stay_there BEFORE DELETE ON invoices
        BEGIN SELECT RAISE(ABORT, 'an issued invoice never goes'); END;
     CREATE TRIGGER credit_notes_stay BEFORE UPDATE ON credit_notes
        BEGIN SELECT RAISE(ABORT, 'an issued credit note never changes'); END;
     CREATE TRIGGER credit_notes_stay_there BEFORE DELETE ON credit_notes
        BEGIN SELECT RAISE(ABORT, 'an issued credit note never goes'); END;";
const IMMUTABLE_ON_POSTGRES: &str = "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'an issued document never changes'; END $$;
     CREATE TRIGGER invoices_stay BEFORE UPDATE OR DELETE ON invoices FOR EACH ROW EXECUTE FUNCTION refuse_change();
     CREATE TRIGGER credit_notes_stay BEFORE UPDATE OR DELETE ON credit_notes
        FOR EACH ROW EXECUTE FUNCTION refuse_change();";

#[async_trait::async_trait]
impl MigrationTrait for CreateBilling {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(TABLES).await?;
        let immutable = match manager.get_database_backend() {
            DbBackend::Postgres => IMMUTABLE_ON_POSTGRES,
            _ => IMMUTABLE_ON_SQLITE,
        };
        connection.execute_unprepared(immutable).await?;
        Ok(())
    }
}
