//! Renews signing keys and reads those of other replicas.

use std::sync::Arc;

use async_trait::async_trait;
use messaging::worker::{Step, StepError, Worker};

use crate::keyring::Keyring;

/// Tends the keyring.
pub struct KeyKeeper {
    /// Whose keys.
    pub keyring: Arc<Keyring>,
}

#[async_trait]
impl Worker for KeyKeeper {
    fn name(&self) -> &'static str {
        "signing-keys"
    }

    async fn step(&mut self) -> Result<Step, StepError> {
        self.keyring.tend().await?;
        Ok(Step::Drained)
    }
}
