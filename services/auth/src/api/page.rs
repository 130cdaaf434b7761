//! The two pages that links in mails lead to. They only take the code out of the address and send it to the API.
//!
//! Opening a page changes nothing, so mail scanners that follow links use no code up. The code stays in the part after `#`,
//! which browsers send to nobody.

use poem::{IntoResponse, Response, get, handler, http::header};

const VERIFY: &str = include_str!("verify_email.html");
const RESET: &str = include_str!("reset_password.html");

/// The pages run their own inline script and talk to their own host, nothing else.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'";

#[handler]
fn verify() -> Response {
    page(VERIFY)
}

#[handler]
fn reset() -> Response {
    page(RESET)
}

fn page(text: &'static str) -> Response {
    Response::builder()
        .content_type("text/html; charset=utf-8")
        .header(header::CONTENT_SECURITY_POLICY, POLICY)
        .header(header::REFERRER_POLICY, "no-referrer")
        .body(text)
        .into_response()
}

/// Puts the pages beside the API.
pub fn beside(api: poem::endpoint::BoxEndpoint<'static, Response>) -> poem::Route {
    poem::Route::new()
        .at("/verify-email", get(verify))
        .at("/reset-password", get(reset))
        .nest("/", api)
}
