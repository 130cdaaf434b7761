//! What `make run` says once everything is ready.

use std::{io::Write, path::Path};

use chassis::Addresses;

/// Addresses, and three commands to begin with.
pub(crate) fn show(addresses: &Addresses, data: &Path) {
    let port = addresses.public.port();
    let hub = format!("http://gateway.localhost:{port}");
    let text = format!(
        r#"
CloudTaskHub is ready.

  API       {hub}   ({hub}/docs to read and try it)
  services  http://auth.localhost:{port}  http://project.localhost:{port}  http://billing.localhost:{port}
            http://notification.localhost:{port}  http://analytics.localhost:{port}
  health    http://{internal}/livez  /readyz  /metrics
  data      {data}   (mails in mail/)

Open an account, sign in, make a project:

  curl -sw '\n' {hub}/v1/auth/register -H 'Content-Type: application/json' -d '{{"email":"ada@example.com","password":"a long passphrase","display_name":"Ada"}}'
  TOKEN=$(curl -s {hub}/v1/auth/login -H 'Content-Type: application/json' -d '{{"email":"ada@example.com","password":"a long passphrase"}}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
  curl -sw '\n' {hub}/v1/projects -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{{"name":"My first project"}}'

`make demo` fills it with a team, `make demo-outage` shows what an outage does to an order. Ctrl-C stops it; everything is there at the next start.
"#,
        internal = addresses.internal,
        data = data.display(),
    );
    // A closed stdout leaves nobody to tell.
    let _ = std::io::stdout().write_all(text.as_bytes());
}
