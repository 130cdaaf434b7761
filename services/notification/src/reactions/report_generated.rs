//! `report.generated`: its reader is told what is in it.

use async_trait::async_trait;
use chassis::Clock;
use contracts::analytics::ReportGenerated;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use super::notify::notify;
use crate::domain::notification::{Kind, News};

pub(super) struct ReportGeneratedReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for ReportGeneratedReaction {
    type Event = ReportGenerated;

    async fn react(&self, tx: &Tx, received: &Received<ReportGenerated>) -> Result<(), ReactionError> {
        let event = &received.event;
        let ReportGenerated {
            tasks_created,
            comments,
            overdue,
            ..
        } = event;
        let news = News {
            subject: event.tasks_completed.to_string(),
            detail: format!(
                "You made {tasks_created} tasks and wrote {comments} comments. {overdue} tasks of yours are overdue."
            ),
            ..News::new(
                Kind::ReportGenerated,
                format!("report:{}", event.report_id),
                received.envelope.time,
            )
        };
        Ok(notify(tx, &news, [event.user_id], self.clock.now()).await?)
    }
}
