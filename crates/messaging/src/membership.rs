//! Whether the broker still knows a consumer's group.
//!
//! A broker that comes back with an empty disk has forgotten topics, groups and offsets. It says so to members
//! (`GROUP_ID_NOT_FOUND`, KIP-848), but their client (librdkafka 2.12) neither joins again nor passes it on: it reads nothing
//! more and looks idle. So a consumer wants proof that it is known. A committed offset is one; without any for a while, the
//! consumer asks whether there is a group of its name. When there is none it joins again, by a new client, and until the
//! broker knows it again nothing counts as progress: `/livez` turns red in the end.

use std::time::Duration;

use tokio::time::Instant;

use crate::worker::Pace;

/// For so long a proof is good; doubles each time that joining again was in vain, so that a slow join is not cut off.
const PACE: Pace = Pace {
    idle: Duration::ZERO,
    first_retry: Duration::from_secs(10),
    last_retry: Duration::from_secs(60),
};

/// What is known of it.
pub(crate) struct Membership {
    commits: u64,
    ask_at: Instant,
    forgotten: u32,
}

impl Membership {
    /// Of a client that was just made.
    pub(crate) fn new() -> Self {
        Self {
            commits: 0,
            ask_at: Instant::now() + PACE.after(1),
            forgotten: 0,
        }
    }

    /// Whether to ask the broker now. `commits` is how many commits have succeeded; `refused`, whether one was refused because
    /// there is no such group.
    pub(crate) fn is_doubtful(&mut self, commits: u64, refused: bool) -> bool {
        if commits != self.commits {
            self.commits = commits;
            self.found();
        }
        (refused && self.forgotten == 0) || Instant::now() >= self.ask_at
    }

    /// The group is there.
    pub(crate) fn found(&mut self) {
        self.forgotten = 0;
        self.ask_at = Instant::now() + PACE.after(1);
    }

    /// The broker did not say; one that is away is no reason to join again.
    pub(crate) fn unanswered(&mut self) {
        self.ask_at = Instant::now() + PACE.after(1);
    }

    /// The group is not there.
    pub(crate) fn forgotten(&mut self) {
        self.commits = 0;
        self.forgotten += 1;
        self.ask_at = Instant::now() + PACE.after(self.forgotten);
    }

    /// Whether the consumer is a member, as far as is known.
    pub(crate) fn holds(&self) -> bool {
        self.forgotten == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds until the broker is asked, when nothing is committed meanwhile.
    async fn patience(membership: &mut Membership) -> u64 {
        let begun = Instant::now();
        while !membership.is_doubtful(membership.commits, false) {
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        begun.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_consumer_that_commits_does_not_ask() {
        let mut membership = Membership::new();
        for commits in 1..100 {
            tokio::time::advance(Duration::from_secs(5)).await;
            assert!(!membership.is_doubtful(commits, false));
        }
        assert!((8..=12).contains(&patience(&mut membership).await));
    }

    #[tokio::test(start_paused = true)]
    async fn a_commit_that_is_refused_makes_it_ask_at_once() {
        let mut membership = Membership::new();
        assert!(membership.is_doubtful(0, true));
        membership.found();
        assert!(membership.holds());
    }

    #[tokio::test(start_paused = true)]
    async fn a_consumer_that_stays_forgotten_joins_ever_more_rarely_and_makes_no_progress() {
        let mut membership = Membership::new();
        let mut pauses = Vec::new();
        for _ in 0..5 {
            membership.forgotten();
            assert!(!membership.holds());
            pauses.push(patience(&mut membership).await);
        }
        assert!((8..=12).contains(&pauses[0]), "{pauses:?}");
        assert!((48..=72).contains(&pauses[4]), "{pauses:?}");
        assert!(!membership.is_doubtful(1, false), "a commit is proof");
        assert!(membership.holds());
    }
}
