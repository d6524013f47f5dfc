//! A session as a trading program has it: quotes, a bracket order, its events, the way out.

use projectx_client::{
    AccountId, Bracket, CancelOrder, Client, CloseContract, ContractId, Credentials, Endpoints, Hub,
    MarketQuote, Order, OrderStatus, OrderType, PlaceOrder, RealtimeEvent, RealtimeEventReceiver, Side,
};
use serde_json::{Value, json};

use crate::{Failure, WAIT, rest, text};

const TAG: &str = "conformance-rust";

/// Trades a bracket over both hubs, then makes every REST call.
pub async fn drive(settings: &Value) -> Result<Value, Failure> {
    let url = text(settings, "url")?;
    let client = Client::builder(Credentials::new(text(settings, "userName")?, text(settings, "apiKey")?)?)
        .endpoints(Endpoints::custom(url, url)?)
        .build()?;
    client.ping().await?;
    client.authenticate().await?;
    let account = AccountId::new(settings["accountId"].as_i64().ok_or("accountId is missing")?.try_into()?)?;
    let contract = ContractId::new(text(settings, "contractId")?)?;
    let accounts = client.search_active_accounts().await?.unwrap_or_empty();
    let known = client.contract_by_id(&contract).await?;

    let market = client.realtime(Hub::Market);
    let mut market_events = market.take_event_receiver().ok_or("the market receiver was taken")?;
    market.connect().await?;
    market.subscribe_contract_quotes(&contract).await?;
    let quotes = quotes(&mut market_events, 20).await?;

    let user = client.realtime(Hub::User);
    let mut user_events = user.take_event_receiver().ok_or("the user receiver was taken")?;
    user.connect().await?;
    user.subscribe_accounts().await?;
    user.subscribe_orders(account).await?;
    user.subscribe_trades(account).await?;
    user.subscribe_positions(account).await?;
    let order = PlaceOrder::builder(account, contract.clone(), OrderType::Market, Side::Bid, 1)
        .custom_tag(TAG)
        .stop_loss_bracket(Bracket::new(-80, OrderType::Stop)?)
        .take_profit_bracket(Bracket::new(120, OrderType::Limit)?)
        .build()?;
    let placed = client.place_order(&order).await?;
    let orders = orders(&mut user_events, |rows| working(rows).count() >= 2).await?;
    let again = client.place_order(&order).await;

    client.close_contract(&CloseContract { account_id: account, contract_id: contract.clone() }).await?;
    for child in working(&orders) {
        client.cancel_order(&CancelOrder { account_id: account, order_id: child.id }).await?;
    }
    let left = client.search_open_orders(account).await?.unwrap_or_empty().len();
    let positions = client.search_open_positions(account).await?.unwrap_or_empty().len();
    user.disconnect().await?;
    market.disconnect().await?;
    let (since, until) = (text(settings, "since")?, text(settings, "until")?);
    let rest = rest::every_call(&client, account, &contract, since, until).await?;
    Ok(json!({
        "rest": rest,
        "accounts": accounts.iter().map(|row| row.id.get()).collect::<Vec<_>>(),
        "contract": known.id.as_str(),
        "quotes": quotes.len(),
        "symbols": quotes.iter().map(|quote| quote.raw_symbol.as_str()).collect::<std::collections::BTreeSet<_>>(),
        "crossed": quotes.iter().filter(|quote| crossed(quote)).count(),
        "entry": orders.iter().filter(|row| row.id == placed.order_id).map(|row| format!("{:?}", row.status)).collect::<Vec<_>>(),
        "children": working(&orders).filter(|row| row.parent_order_id == Some(placed.order_id)).count(),
        "duplicate": again.err().map(|error| error.to_string()),
        "left": left,
        "positions": positions,
    }))
}

async fn quotes(events: &mut RealtimeEventReceiver, count: usize) -> Result<Vec<MarketQuote>, Failure> {
    let mut rows = Vec::new();
    while rows.len() < count {
        match next(events).await? {
            RealtimeEvent::Invocation(call) if call.target() == "GatewayQuote" => rows.push(call.decode()?),
            RealtimeEvent::TransportGap => return Err("the market hub reported a gap".into()),
            _ => {}
        }
    }
    Ok(rows)
}

async fn orders(
    events: &mut RealtimeEventReceiver,
    enough: impl Fn(&[Order]) -> bool,
) -> Result<Vec<Order>, Failure> {
    let mut rows: Vec<Order> = Vec::new();
    while !enough(&rows) {
        match next(events).await? {
            RealtimeEvent::Invocation(call) if call.target() == "GatewayUserOrder" => {
                for row in call.decode_batch() {
                    rows.push(row?);
                }
            }
            RealtimeEvent::TransportGap => return Err("the user hub reported a gap".into()),
            _ => {}
        }
    }
    Ok(rows)
}

/// A partial quote may name one side alone.
fn crossed(quote: &MarketQuote) -> bool {
    quote.best_bid.zip(quote.best_ask).is_some_and(|(bid, ask)| bid >= ask)
}

fn working(rows: &[Order]) -> impl Iterator<Item = &Order> {
    rows.iter().filter(|row| row.status == OrderStatus::Open)
}

async fn next(events: &mut RealtimeEventReceiver) -> Result<RealtimeEvent, Failure> {
    Ok(tokio::time::timeout(WAIT, events.recv()).await?.ok_or("the hub's events ended")?)
}
