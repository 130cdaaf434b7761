//! Who listens: the live streams of this replica and what waits for each.
//!
//! The tail hands events over in their order ([`Hub::deliver`]), and the hub puts them into the mailboxes of those whom they
//! concern. It never waits: a [`Mailbox`] is bounded, and who lets it overflow is cut off and everything that waited for them is
//! dropped at once, so that one slow client costs neither time nor memory. An event is rendered once for all of them.
//!
//! Who joins registers first and reads their projects from the database afterwards; changes that the tail hands over in
//! between are remembered on top, so none is missed and none comes back.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use bytes::Bytes;
use contracts::id::{ProjectId, SessionId, TokenId, UserId};

use super::{
    mailbox::{Mailbox, Put},
    meters::Meters,
};
use crate::{domain::revocation::Revocation, settings::Stream as Settings, store::stream_event::StreamEvent};

/// Whose stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// The user.
    pub user: UserId,
    /// Their sign-in.
    pub session: Option<SessionId>,
    /// Or the personal access token.
    pub token: Option<TokenId>,
}

/// There are too many streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooMany {
    /// Of this user.
    #[error("this user has {0} streams open, which is as many as there may be; close one")]
    OfUser(usize),
    /// At this replica.
    #[error("there are as many streams open here as there may be; try again in a moment")]
    Here,
}

struct Client {
    listener: Listener,
    mailbox: Arc<Mailbox>,
    /// `None` until its projects are read.
    projects: Option<HashSet<ProjectId>>,
    /// Changes meanwhile.
    changes: HashMap<ProjectId, bool>,
}

#[derive(Default)]
struct Clients {
    by_id: HashMap<u64, Client>,
    by_user: HashMap<UserId, HashSet<u64>>,
    by_project: HashMap<ProjectId, HashSet<u64>>,
    next_id: u64,
}

/// See the head of the file.
pub struct Hub {
    clients: Mutex<Clients>,
    /// The number of the last event that was handed over.
    position: AtomicI64,
    settings: Settings,
    meters: Arc<Meters>,
}

/// A place at the hub; leaving it out of hand gives it up.
pub struct Seat {
    hub: Arc<Hub>,
    id: u64,
    /// What waits for this client.
    pub mailbox: Arc<Mailbox>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub.lock().remove(self.id);
        self.hub.meters.streams.dec();
    }
}

impl Hub {
    /// Without listeners.
    pub fn new(settings: Settings, meters: Arc<Meters>) -> Arc<Self> {
        Arc::new(Self {
            clients: Mutex::default(),
            position: AtomicI64::new(0),
            settings,
            meters,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the last event that was handed over.
    pub fn position(&self) -> i64 {
        self.position.load(Ordering::Acquire)
    }

    /// Begins after event `seq`.
    pub fn begin(&self, seq: i64) {
        self.position.store(seq, Ordering::Release);
    }

    /// How many streams there are.
    pub fn streams(&self) -> usize {
        self.lock().by_id.len()
    }

    /// Registers `listener`. Nothing is delivered until [`Hub::seat`], but ends are.
    ///
    /// # Errors
    /// See [`TooMany`].
    pub fn register(self: &Arc<Self>, listener: Listener) -> Result<Seat, TooMany> {
        let mut clients = self.lock();
        if clients.by_id.len() >= self.settings.total {
            return Err(TooMany::Here);
        }
        if clients.by_user.get(&listener.user).map_or(0, HashSet::len) >= self.settings.per_user {
            return Err(TooMany::OfUser(self.settings.per_user));
        }
        let id = clients.next_id;
        clients.next_id += 1;
        let mailbox = Arc::new(Mailbox::new(self.settings.buffer));
        let client = Client {
            listener,
            mailbox: Arc::clone(&mailbox),
            projects: None,
            changes: HashMap::new(),
        };
        clients.by_id.insert(id, client);
        clients.by_user.entry(listener.user).or_default().insert(id);
        self.meters.streams.inc();
        Ok(Seat {
            hub: Arc::clone(self),
            id,
            mailbox,
        })
    }

    /// Lets events go to the client from now on, who is a member of `projects`; answers the number after which they come.
    pub fn seat(&self, seat: &Seat, projects: Vec<ProjectId>) -> i64 {
        let mut clients = self.lock();
        if let Some(client) = clients.by_id.get_mut(&seat.id) {
            let mut all: HashSet<ProjectId> = projects.into_iter().collect();
            for (project, member) in client.changes.drain() {
                if member {
                    all.insert(project);
                } else {
                    all.remove(&project);
                }
            }
            client.projects = Some(all.clone());
            for project in all {
                clients.by_project.entry(project).or_default().insert(seat.id);
            }
        }
        // Under the lock that the tail delivers under.
        self.position()
    }

    /// Hands events over; they follow the last ones.
    pub fn deliver(&self, events: &[StreamEvent]) {
        let mut clients = self.lock();
        for event in events {
            if let (Some(user), Some(project)) = (event.audience.user, event.audience.project)
                && event.kind == "member.added"
            {
                clients.change(user, project, true);
            }
            self.hand_over(&mut clients, event);
            match (event.kind.as_str(), event.audience.user, event.audience.project) {
                ("member.removed", Some(user), Some(project)) => clients.change(user, project, false),
                ("project.deleted", _, Some(project)) => clients.forget(project),
                _ => {}
            }
            self.position.store(event.seq, Ordering::Release);
        }
    }

    fn hand_over(&self, clients: &mut Clients, event: &StreamEvent) {
        let of_user = event.audience.user.and_then(|user| clients.by_user.get(&user));
        let of_project = event
            .audience
            .project
            .and_then(|project| clients.by_project.get(&project));
        let mut to: Vec<u64> = of_user.into_iter().chain(of_project).flatten().copied().collect();
        if to.is_empty() {
            return;
        }
        to.sort_unstable();
        to.dedup();
        let rendered = render(event);
        for id in to {
            let Some(client) = clients.by_id.get(&id).filter(|client| client.projects.is_some()) else {
                continue;
            };
            match client.mailbox.put(event.seq, rendered.clone()) {
                Put::Taken => {
                    self.meters.streamed.inc();
                }
                Put::Full => {
                    self.end(client, "slow");
                    clients.remove(id);
                }
                Put::Ended => {}
            }
        }
    }

    fn end(&self, client: &Client, reason: &'static str) {
        client.mailbox.end(reason);
        self.meters.ended(reason);
    }

    /// Ends the streams that `revocation` concerns.
    pub fn revoke(&self, revocation: Revocation) {
        let mut clients = self.lock();
        let concerned = |client: &Client| match revocation {
            Revocation::Session(session) => client.listener.session == Some(session),
            Revocation::Token(token) => client.listener.token == Some(token),
            Revocation::User(user) => client.listener.user == user,
            Revocation::Knowledge(_) => false,
        };
        let ended: Vec<u64> = clients
            .by_id
            .iter()
            .filter(|(_, client)| concerned(client))
            .map(|(id, _)| *id)
            .collect();
        for id in ended {
            if let Some(client) = clients.by_id.get(&id) {
                self.end(client, revocation.reason());
            }
            clients.remove(id);
        }
    }
}

impl Clients {
    fn change(&mut self, user: UserId, project: ProjectId, member: bool) {
        for id in self.by_user.get(&user).into_iter().flatten() {
            let Some(client) = self.by_id.get_mut(id) else { continue };
            match &mut client.projects {
                None => {
                    client.changes.insert(project, member);
                }
                Some(projects) if member => {
                    projects.insert(project);
                    self.by_project.entry(project).or_default().insert(*id);
                }
                Some(projects) => {
                    projects.remove(&project);
                    leave(&mut self.by_project, &project, *id);
                }
            }
        }
    }

    fn forget(&mut self, project: ProjectId) {
        self.by_project.remove(&project);
        for client in self.by_id.values_mut() {
            match &mut client.projects {
                Some(projects) => {
                    projects.remove(&project);
                }
                None => {
                    client.changes.insert(project, false);
                }
            }
        }
    }

    fn remove(&mut self, id: u64) {
        let Some(client) = self.by_id.remove(&id) else { return };
        leave(&mut self.by_user, &client.listener.user, id);
        for project in client.projects.into_iter().flatten() {
            leave(&mut self.by_project, &project, id);
        }
    }
}

fn leave<K: std::hash::Hash + Eq>(groups: &mut HashMap<K, HashSet<u64>>, key: &K, id: u64) {
    if let Some(group) = groups.get_mut(key) {
        group.remove(&id);
        if group.is_empty() {
            groups.remove(key);
        }
    }
}

/// As server-sent event (<https://html.spec.whatwg.org/multipage/server-sent-events.html>). JSON has no line breaks in it.
pub fn render(event: &StreamEvent) -> Bytes {
    Bytes::from(format!(
        "id: {}\nevent: {}\ndata: {}\n\n",
        event.seq, event.kind, event.payload
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus_client::registry::Registry;

    use super::*;
    use crate::{domain::audience::Audience, edge::mailbox::Next};

    fn hub(buffer: usize) -> Arc<Hub> {
        let settings = Settings {
            heartbeat: Duration::from_secs(15),
            buffer,
            per_user: 2,
            total: 3,
            retention: Duration::from_secs(60),
            retention_events: 10,
            poll: Duration::from_millis(10),
        };
        Hub::new(settings, Meters::register(&mut Registry::default()))
    }

    fn listener(user: UserId) -> Listener {
        Listener {
            user,
            session: Some(SessionId::new()),
            token: None,
        }
    }

    fn event(seq: i64, kind: &str, audience: Audience) -> StreamEvent {
        StreamEvent {
            seq,
            kind: kind.to_owned(),
            audience,
            payload: "{}".to_owned(),
            revocation: None,
        }
    }

    async fn text(seat: &Seat) -> String {
        match seat.mailbox.next(0).await {
            Next::Events(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            Next::End(reason) => reason.to_owned(),
        }
    }

    #[tokio::test]
    async fn members_get_what_happens_in_their_project_from_joining_to_leaving() {
        let hub = hub(10);
        let (ada, project) = (UserId::new(), ProjectId::new());
        let seat = hub.register(listener(ada)).unwrap();
        hub.seat(&seat, vec![]);
        let in_project = Audience::project(project);
        hub.deliver(&[
            event(1, "task.created", in_project),
            event(2, "member.added", Audience::project_and(project, ada)),
            event(3, "task.updated", in_project),
            event(4, "member.removed", Audience::project_and(project, ada)),
            event(5, "task.deleted", in_project),
        ]);
        let expected = "id: 2\nevent: member.added\ndata: {}\n\nid: 3\nevent: task.updated\ndata: {}\n\nid: 4\nevent: member.removed\ndata: {}\n\n";
        assert_eq!(text(&seat).await, expected);
    }

    #[tokio::test]
    async fn what_changes_while_a_clients_projects_are_read_is_not_missed() {
        let hub = hub(10);
        let (ada, joined, left) = (UserId::new(), ProjectId::new(), ProjectId::new());
        let seat = hub.register(listener(ada)).unwrap();
        hub.deliver(&[
            event(1, "member.added", Audience::project_and(joined, ada)),
            event(2, "member.removed", Audience::project_and(left, ada)),
        ]);
        assert_eq!(hub.seat(&seat, vec![left]), 2, "read before the changes");
        hub.deliver(&[
            event(3, "task.created", Audience::project(left)),
            event(4, "task.created", Audience::project(joined)),
        ]);
        assert_eq!(text(&seat).await, "id: 4\nevent: task.created\ndata: {}\n\n");
    }

    #[tokio::test]
    async fn a_slow_client_is_cut_off_and_the_others_get_everything() {
        let hub = hub(3);
        let project = ProjectId::new();
        let (slow, quick) = (
            hub.register(listener(UserId::new())).unwrap(),
            hub.register(listener(UserId::new())).unwrap(),
        );
        hub.seat(&slow, vec![project]);
        hub.seat(&quick, vec![project]);
        for seq in 1..=20 {
            hub.deliver(&[event(seq, "task.moved", Audience::project(project))]);
            assert_eq!(
                text(&quick).await,
                format!("id: {seq}\nevent: task.moved\ndata: {{}}\n\n")
            );
        }
        assert_eq!(slow.mailbox.next(0).await, Next::End("slow"));
        assert_eq!(hub.streams(), 1);
    }

    #[tokio::test]
    async fn a_stream_ends_with_its_session_its_token_or_its_user() {
        let hub = hub(3);
        let ada = UserId::new();
        let (session, token) = (SessionId::new(), TokenId::new());
        let by_session = hub
            .register(Listener {
                user: ada,
                session: Some(session),
                token: None,
            })
            .unwrap();
        let by_token = hub
            .register(Listener {
                user: ada,
                session: None,
                token: Some(token),
            })
            .unwrap();
        hub.revoke(Revocation::Knowledge(ada));
        hub.revoke(Revocation::Session(SessionId::new()));
        assert_eq!(hub.streams(), 2);
        hub.revoke(Revocation::Session(session));
        assert_eq!(by_session.mailbox.next(0).await, Next::End("session_revoked"));
        hub.revoke(Revocation::Token(token));
        assert_eq!(by_token.mailbox.next(0).await, Next::End("token_revoked"));
        let other = hub.register(listener(ada)).unwrap();
        hub.revoke(Revocation::User(ada));
        assert_eq!(other.mailbox.next(0).await, Next::End("user_disabled"));
    }

    #[tokio::test]
    async fn there_are_only_so_many_streams_and_closing_one_makes_room() {
        let hub = hub(3);
        let ada = UserId::new();
        let first = hub.register(listener(ada)).unwrap();
        let _second = hub.register(listener(ada)).unwrap();
        assert_eq!(hub.register(listener(ada)).err(), Some(TooMany::OfUser(2)));
        let _other = hub.register(listener(UserId::new())).unwrap();
        assert_eq!(hub.register(listener(UserId::new())).err(), Some(TooMany::Here));
        drop(first);
        assert!(hub.register(listener(ada)).is_ok());
    }

    #[tokio::test]
    async fn a_project_that_is_gone_has_no_listeners() {
        let hub = hub(3);
        let (ada, project) = (UserId::new(), ProjectId::new());
        let seat = hub.register(listener(ada)).unwrap();
        hub.seat(&seat, vec![project]);
        hub.deliver(&[
            event(1, "project.deleted", Audience::project(project)),
            event(2, "task.created", Audience::project(project)),
        ]);
        assert_eq!(text(&seat).await, "id: 1\nevent: project.deleted\ndata: {}\n\n");
    }
}
