//! What teams do with projects, told as stories against the whole service.

mod activity;
mod directory;
mod document;
mod invitations;
mod members;
mod projects;
mod team;
