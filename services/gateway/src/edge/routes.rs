//! The services' OpenAPI documents, as they are committed: what is routed and documented here is what they say they serve.

use serde_json::Value;

/// Each service's document. `SERVICE openapi > docs/openapi/SERVICE.json` renews one; each service has a test that fails
/// when its own is stale.
const DOCUMENTS: [(&str, &str); 5] = [
    ("auth", include_str!("../../../../docs/openapi/auth.json")),
    ("project", include_str!("../../../../docs/openapi/project.json")),
    (
        "notification",
        include_str!("../../../../docs/openapi/notification.json"),
    ),
    ("billing", include_str!("../../../../docs/openapi/billing.json")),
    ("analytics", include_str!("../../../../docs/openapi/analytics.json")),
];

/// The documents, read.
///
/// # Errors
/// Which of them is not JSON.
pub fn documents() -> anyhow::Result<Vec<(&'static str, Value)>> {
    let read = |(service, text): &(&'static str, &str)| match serde_json::from_str(text) {
        Ok(document) => Ok((*service, document)),
        Err(error) => Err(anyhow::anyhow!("docs/openapi/{service}.json: {error}")),
    };
    DOCUMENTS.iter().map(read).collect()
}
