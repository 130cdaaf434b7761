//! Invoices as people read them.

use serde_json::json;

use crate::world::{customer, hub, invoices, place};

#[tokio::test]
async fn an_invoice_can_be_read_as_a_page_and_kept_as_a_pdf() {
    let app = hub().await;
    let ada = customer(&app).await;
    let body = json!({ "name": "<script>alert(1)</script> Жанна & Söhne", "address": "Straße 1", "country": "DE" });
    ada.put("/v1/billing-profile", body)
        .header("if-match", "*")
        .await
        .expect(200);
    place(&app, &ada, "team", 3, "month").await;
    let invoice = invoices(&ada).await[0].clone();
    let path = format!("/v1/invoices/{}", invoice["id"].as_str().unwrap());

    let page = ada.get(format!("{path}/html")).await.expect(200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .starts_with("default-src 'none'")
    );
    let text = page.text();
    assert!(text.contains(invoice["number"].as_str().unwrap()) && text.contains("32.13") && text.contains("USt 19 %"));
    assert!(
        text.contains("Жанна &amp; Söhne") && !text.contains("<script>"),
        "{text}"
    );

    let pdf = ada.get(format!("{path}/pdf")).await.expect(200);
    assert_eq!(pdf.header("content-type"), Some("application/pdf"));
    let name = format!("attachment; filename=\"{}.pdf\"", invoice["number"].as_str().unwrap());
    assert_eq!(pdf.header("content-disposition"), Some(name.as_str()));
    assert!(
        pdf.bytes.starts_with(b"%PDF-") && pdf.bytes.len() < 100_000,
        "{} bytes",
        pdf.bytes.len()
    );
    let again = ada.get(format!("{path}/pdf")).await.expect(200);
    assert_eq!(again.bytes, pdf.bytes, "the same document every time");
}
