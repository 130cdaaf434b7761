//! What the operator does with accounts: `auth users list|promote`.

use std::fmt::Write;

use anyhow::Context;
use chassis::Clock;
use clap::{Arg, ArgMatches, Command};
use contracts::id::UserId;
use database::Db;
use identity::Role;
use sea_orm::DbErr;

use crate::{
    domain::{
        email,
        user::{User, UserError},
    },
    store,
};

/// Users at most in one listing.
const PAGE: u64 = 200;

/// The command line of these.
pub fn command() -> Command {
    Command::new("users")
        .about("Look at accounts, and make the first admin")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("list")
                .about("List accounts in the order they were opened")
                .arg(
                    Arg::new("query")
                        .long("query")
                        .help("Part of an address, handle or name"),
                ),
        )
        .subcommand(
            Command::new("promote")
                .about("Make the user with this address an admin")
                .arg(Arg::new("email").value_name("EMAIL").required(true)),
        )
}

/// Carries one out; answers what to print.
///
/// # Errors
/// What the operator did wrong, or the database's.
pub async fn execute(arguments: &ArgMatches, db: &Db, clock: &Clock) -> anyhow::Result<String> {
    match arguments.subcommand() {
        Some(("promote", arguments)) => {
            let address = arguments.get_one::<String>("email").context("name the address")?;
            let user = promote(db, clock, address)
                .await
                .with_context(|| format!("promoting {address}"))?;
            Ok(format!(
                "{} is an admin; it holds from the next sign-in or refresh on",
                line(&user)
            ))
        }
        Some(("list", arguments)) => {
            let query = arguments.get_one::<String>("query").map(String::as_str);
            let (mut text, mut after) = (String::new(), None);
            loop {
                let users = list(db, query, after).await?;
                for user in &users {
                    writeln!(text, "{}", line(user))?;
                }
                after = users.last().map(|user| user.id);
                if (users.len() as u64) < PAGE {
                    return Ok(text.trim_end().to_owned());
                }
            }
        }
        _ => anyhow::bail!("users: list or promote"),
    }
}

fn line(user: &User) -> String {
    let state = match (user.disabled, user.email_verified) {
        (true, _) => "disabled",
        (false, true) => "verified",
        (false, false) => "unverified",
    };
    format!(
        "{}  {}  @{}  {}  {state}",
        user.id,
        user.email.as_str(),
        user.handle.as_str(),
        user.role.name()
    )
}

/// Makes the user with this address an admin; answers them as they are then.
///
/// # Errors
/// [`UserError::NotFound`], or the database's.
pub async fn promote(db: &Db, clock: &Clock, address: &str) -> Result<User, UserError> {
    let (key, now) = (email::key(address), clock.now());
    db.write(async |tx| {
        let found = store::user::by_email(tx, &key).await?.ok_or(UserError::NotFound)?;
        let mut user = store::user::for_change(tx, found.id)
            .await?
            .ok_or(UserError::NotFound)?;
        if let Some(updated) = user.set_role(Role::Admin, now) {
            store::user::update(tx, &user).await?;
            messaging::append(tx, &updated)?;
        }
        Ok(user)
    })
    .await
}

/// Users whose address, handle or name contain `query`, in the order they registered, page by page after `after`.
///
/// # Errors
/// The database's.
pub async fn list(db: &Db, query: Option<&str>, after: Option<UserId>) -> Result<Vec<User>, DbErr> {
    store::user::search(db.read(), query, after, PAGE).await
}
