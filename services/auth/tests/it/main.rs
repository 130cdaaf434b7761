//! What people, attackers, operators and other services see of auth.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod admin;
mod brute_force;
mod commands;
mod document;
mod enumeration;
mod erasure;
mod hub;
mod introspection;
mod keys;
mod mail;
mod mail_login;
mod password;
mod plan;
mod profile;
mod refresh;
mod registration;
mod session;
mod settings;
mod smtp;
mod token;
