//! The rules: what events say to the projections, and how figures are made of them. No SQL, no HTTP.

pub mod activity;
pub mod business;
pub mod calendar;
pub mod chain;
pub mod event;
pub mod figures;
pub mod flow;
pub mod milestone;
pub mod news;
pub mod personal;
pub mod statistics;
pub mod task;
