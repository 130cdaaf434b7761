//! The release tool of `CloudTaskHub`: one release at a time, watched to its end, recorded, and undone when it fails.
//!
//! | module | concern |
//! |---|---|
//! | `engine`, `service` | what is asked of Docker, and what it answers |
//! | `sources`, `definition`, `image` | the whole stack as one text: composed, pinned, self-contained |
//! | `lock`, `ledger` | one release at a time; what was released. Both live in the Swarm |
//! | `statement`, `gate` | what releases say of themselves, and which fit together |
//! | `preflight`, `plan` | all that is wrong, before anything changes |
//! | `release` | the way of a release, and the way back |
//! | `watch`, `failure` | whether it runs; if not, why |
//! | `trial`, `smoke` | whether it works, as a user would see it |
//! | `diff`, `status`, `prune` | what would change; what stands; what nobody needs any more |
//! | `notify`, `report`, `outcome` | who is told what, and how |

pub mod definition;
pub mod diff;
pub mod engine;
pub mod failure;
pub mod gate;
pub mod image;
pub mod ledger;
pub mod lock;
pub mod notify;
pub mod outcome;
pub mod plan;
pub mod preflight;
mod prune;
pub mod release;
pub mod report;
pub mod service;
pub mod smoke;
pub mod sources;
pub mod statement;
pub mod status;
pub mod trial;
pub mod watch;
