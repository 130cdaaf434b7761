//! The projections of analytics are made again from the log, on a hub that does not run.

use std::path::Path;

use anyhow::Context;
use tokio::process::Command;

use crate::report::{Goal, Report};

/// Rebuilds in `data`, and takes the rate from what the command says.
pub(crate) async fn measure(binary: &Path, data: &Path, report: &mut Report) -> anyhow::Result<()> {
    let output = Command::new(binary)
        .args(["analytics", "rebuild", "--data"])
        .arg(data)
        .output()
        .await?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "the rebuild failed: {complaint}");
    let said = String::from_utf8_lossy(&output.stdout);
    anyhow::ensure!(
        said.contains("the rebuilt tables say the same"),
        "the rebuild says something else than the live tables: {said}"
    );
    let rate = rate(&said).with_context(|| format!("the rebuild did not say how fast it was: {said}"))?;
    report.goal(
        Goal::at_least("analytics rebuild, events a second", "1/s", 20_000.0),
        rate,
    );
    Ok(())
}

/// `replayed 50123 events in 2.1 s, 23868 a second`
fn rate(said: &str) -> Option<f64> {
    let line = said.lines().next()?.strip_suffix(" a second")?;
    line.rsplit(' ').next()?.parse().ok()
}
