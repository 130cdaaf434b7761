use std::time::Instant;

use crate::{
    imports::send,
    team::{App, person},
};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn measure_100_000_rows() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let mut file = "id,title,description,status,priority,due_at,labels,assignees\n".to_owned();
    for n in 0..100_000 {
        file += &format!("{n},Task number {n},\"Some longer text, with {n} in it and a line\nbreak\",todo,high,2026-12-01,\"bug, area {}\",ada\n", n % 50);
    }
    let size = file.len();
    let hwm = || std::fs::read_to_string("/proc/self/status").unwrap().lines().find(|l| l.starts_with("VmHWM")).unwrap().to_owned();
    println!("before {} file {size}", hwm());
    let begun = Instant::now();
    let accepted = send(&ada, "/v1/projects/import?name=Apollo", "text/csv", file).await.expect(202);
    println!("accepted after {:?}", begun.elapsed());
    loop {
        let status = ada.get(accepted.header("location").unwrap()).await.expect(200).json["import"]["status"].clone();
        if status == "completed" || status == "failed" { println!("{status}"); break }
        for _ in 0..20 { app.step("importer").await.unwrap(); }
    }
    println!("imported after {:?} {}", begun.elapsed(), hwm());
}
