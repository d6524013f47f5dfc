//! Both hubs with all seven subscriptions: every event decoded, every reconnect followed by subscribing again.

use std::collections::BTreeMap;

use projectx_client::{
    Account, AccountId, Client, CloseContract, ContractId, Hub, MarketDepth, MarketQuote, MarketTrade, Order,
    OrderType, PlaceOrder, Position, RealtimeClient, RealtimeError, RealtimeEvent, Side, SignalRInvocation,
    Trade,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, stdin};
use tokio::sync::watch;

use crate::{Failure, WAIT, client, text};

struct Wanted {
    account: AccountId,
    contract: ContractId,
    subscribe: bool,
}

/// Follows both hubs until standard input ends. The command `trade` opens and closes a position.
pub async fn follow_both(settings: &Value) -> Result<Value, Failure> {
    let client = client(settings, text(settings, "apiKey")?)?;
    client.authenticate().await?;
    let account = AccountId::new(settings["accountId"].as_i64().ok_or("accountId is missing")?.try_into()?)?;
    let contract = ContractId::new(text(settings, "contractId")?)?;
    let wanted = Wanted { account, contract, subscribe: settings["subscribe"] != json!(false) };
    let (stop, stopped) = watch::channel(false);
    let (user, market, ()) = tokio::try_join!(
        follow(client.realtime(Hub::User), "user", &wanted, stopped.clone()),
        follow(client.realtime(Hub::Market), "market", &wanted, stopped),
        commands(&client, &wanted, stop),
    )?;
    Ok(json!({ "user": user, "market": market }))
}

async fn follow(
    hub: RealtimeClient,
    name: &str,
    wanted: &Wanted,
    mut stopped: watch::Receiver<bool>,
) -> Result<Value, Failure> {
    let mut events = hub.take_event_receiver().ok_or("the receiver was taken")?;
    hub.connect().await?;
    subscribe(&hub, name, wanted).await?;
    tell(name, "connected");
    let (mut rows, mut gaps, mut silent) = (BTreeMap::<String, usize>::new(), 0_usize, true);
    loop {
        let event = tokio::select! {
            _ = stopped.changed() => break,
            event = events.recv() => event.ok_or("the hub's events ended")?,
        };
        match event {
            RealtimeEvent::Disconnected => tell(name, "disconnected"),
            RealtimeEvent::Reconnected => {
                subscribe(&hub, name, wanted).await?;
                silent = true;
                tell(name, "reconnected");
            }
            RealtimeEvent::TransportGap => gaps += 1,
            RealtimeEvent::Invocation(call) => {
                *rows.entry(call.target().to_owned()).or_default() += decoded(&call)?;
                if std::mem::take(&mut silent) {
                    tell(name, "data");
                }
            }
            _ => {}
        }
    }
    hub.disconnect().await?;
    Ok(json!({ "rows": rows, "gaps": gaps }))
}

async fn subscribe(hub: &RealtimeClient, name: &str, wanted: &Wanted) -> Result<(), RealtimeError> {
    if !wanted.subscribe {
        return Ok(());
    }
    if name == "user" {
        hub.subscribe_accounts().await?;
        hub.subscribe_orders(wanted.account).await?;
        hub.subscribe_positions(wanted.account).await?;
        hub.subscribe_trades(wanted.account).await
    } else {
        hub.subscribe_contract_quotes(&wanted.contract).await?;
        hub.subscribe_contract_trades(&wanted.contract).await?;
        hub.subscribe_contract_depth(&wanted.contract).await
    }
}

/// The number of rows in an event, each decoded into the client's own model.
fn decoded(call: &SignalRInvocation) -> Result<usize, Failure> {
    let count = match call.target() {
        "GatewayQuote" => call.decode::<MarketQuote>().map(|_| 1),
        "GatewayTrade" => batch::<MarketTrade>(call),
        "GatewayDepth" => batch::<MarketDepth>(call),
        "GatewayUserAccount" => batch::<Account>(call),
        "GatewayUserOrder" => batch::<Order>(call),
        "GatewayUserPosition" => batch::<Position>(call),
        "GatewayUserTrade" => batch::<Trade>(call),
        other => return Err(format!("unknown event {other}").into()),
    };
    Ok(count.map_err(|error| format!("{}: {error:?} in {}", call.target(), call.payload().get()))?)
}

fn batch<T: DeserializeOwned>(call: &SignalRInvocation) -> Result<usize, RealtimeError> {
    Ok(call.decode_batch::<T>().into_iter().collect::<Result<Vec<T>, RealtimeError>>()?.len())
}

async fn commands(client: &Client, wanted: &Wanted, stop: watch::Sender<bool>) -> Result<(), Failure> {
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        match line.as_str() {
            "trade" => trade(client, wanted).await?,
            other => return Err(format!("unknown command {other}").into()),
        }
    }
    stop.send(true)?;
    Ok(())
}

async fn trade(client: &Client, wanted: &Wanted) -> Result<(), Failure> {
    let (account, contract) = (wanted.account, &wanted.contract);
    let order = PlaceOrder::builder(account, contract.clone(), OrderType::Market, Side::Bid, 1).build()?;
    client.place_order(&order).await?;
    let held = async {
        while client.search_open_positions(account).await?.unwrap_or_empty().is_empty() {
            tokio::task::yield_now().await;
        }
        client.close_contract(&CloseContract { account_id: account, contract_id: contract.clone() }).await
    };
    tokio::time::timeout(WAIT, held).await??;
    tell("rest", "traded");
    Ok(())
}

fn tell(hub: &str, event: &str) {
    println!("{}", json!({ "hub": hub, "event": event }));
}
