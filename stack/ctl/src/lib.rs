//! The release tool of `CloudTaskHub`: one release at a time, watched to its end, recorded, and undone when it fails.

pub mod gate;
pub mod notify;
pub mod smoke;
pub mod statement;
