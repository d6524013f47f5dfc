//! Drives the paper gateway with the strictest public client and prints what it saw as JSON lines.
//!
//! Usage: `paper-gateway-conformance trade|hubs|answers <settings as JSON>`; `hubs` and `answers` take commands
//! from standard input.

mod answers;
mod hubs;
mod rest;
mod trade;

use std::time::Duration;

use projectx_client::{Client, Credentials, Endpoints};
use serde_json::Value;

type Failure = Box<dyn std::error::Error>;

const WAIT: Duration = Duration::from_secs(20);
const LONGEST: Duration = Duration::from_secs(180);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next().ok_or("the mode is missing")?;
    let settings: Value = serde_json::from_str(&arguments.next().ok_or("settings are missing")?)?;
    let work = async {
        match mode.as_str() {
            "trade" => trade::drive(&settings).await,
            "hubs" => hubs::follow_both(&settings).await,
            "answers" => answers::answer(&settings).await,
            other => Err(format!("unknown mode {other}").into()),
        }
    };
    println!("{}", tokio::time::timeout(LONGEST, work).await??);
    Ok(())
}

/// A text member of the settings.
fn text<'a>(settings: &'a Value, key: &str) -> Result<&'a str, Failure> {
    Ok(settings[key].as_str().ok_or(format!("{key} is missing"))?)
}

/// A client of the gateway; what a call meets is shown as it is, not retried.
fn client(settings: &Value, key: &str) -> Result<Client, Failure> {
    let url = text(settings, "url")?;
    Ok(Client::builder(Credentials::new(text(settings, "userName")?, key)?)
        .endpoints(Endpoints::custom(url, url)?)
        .max_retries(0)
        .disable_rate_limits()
        .build()?)
}
