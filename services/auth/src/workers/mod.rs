//! What auth does by itself: keys are renewed, mails sent, what is over is tidied away.

mod janitor;
mod keys;
mod mail;

pub use janitor::Janitor;
pub use keys::KeyKeeper;
pub use mail::Mailer;
