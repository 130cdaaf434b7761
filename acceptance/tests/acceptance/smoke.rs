//! What the release tool tells a hub before it believes in it: a user's story, which has to stay true.

use std::time::Duration;

use acceptance::Hub;
use stackctl::smoke::{Target, run};

#[tokio::test]
async fn the_story_that_a_release_is_tried_out_with_passes_and_leaves_nobody_behind() {
    let hub = Hub::any().await;
    let base = hub.base();
    let host = base.host_str().expect("a host");
    let address = match std::env::var("HUB_ADDRESS") {
        Ok(list) => list.split(',').next().expect("an address").to_owned(),
        Err(_) if host.ends_with(".localhost") => {
            format!("127.0.0.1:{}", base.port_or_known_default().unwrap_or(80))
        }
        Err(_) => format!("{host}:{}", base.port_or_known_default().unwrap_or(80)),
    };
    let at = format!("{}://{address}", base.scheme()).parse().expect("an address");
    let mut target = Target::new(at, host.trim_start_matches("gateway."));
    // All stories at one hub share its limits and its processors.
    target.patience = Duration::from_secs(240);
    let report = run(&target).await.expect("the story");
    let last = report.steps.last().expect("steps");
    assert_eq!(last.name, "every service has erased them");
}
