//! Every REST call of the client once, in the order in which a session would make them.

use std::time::Duration;

use projectx_client::{
    AccountId, BarUnit, CancelOrder, Client, CloseContract, ContractId, Decimal, HistoryRequest, ModifyOrder,
    OrderQuery, OrderSearch, OrderStatus, OrderType, PartialCloseContract, PlaceOrder, Position,
    SearchContracts, Side, Timestamp, TradeQuery, TradeSearch,
};
use serde_json::{Value, json};

use crate::Failure;

const AWAY: i64 = 50;

/// Looks, places, moves and cancels a resting order, opens, trims and closes a position, and logs out.
pub async fn every_call(
    client: &Client,
    account: AccountId,
    contract: &ContractId,
    since: &str,
    until: &str,
) -> Result<Value, Failure> {
    let (since, until) = (Timestamp::new(since)?, Timestamp::new(until)?);
    client.ping().await?;
    client.validate_session().await?;
    let all = client.search_accounts(false).await?.unwrap_or_empty();
    let available = client.available_contracts(false).await?.unwrap_or_empty();
    let search = SearchContracts { live: false, search_text: "MNQ".into() };
    let found = client.search_contracts(&search).await?.unwrap_or_empty();
    let wanted =
        HistoryRequest::builder(contract.clone(), false, since, until, BarUnit::Minute).limit(60).build()?;
    let bars = client.retrieve_bars(&wanted).await?.unwrap_or_empty();
    let last = bars.first().ok_or("no bar was returned")?.c;

    let resting = PlaceOrder::builder(account, contract.clone(), OrderType::Limit, Side::Bid, 2)
        .limit_price(last - Decimal::from(AWAY))
        .custom_tag("conformance-resting")
        .build()?;
    let id = client.place_order(&resting).await?.order_id;
    settle().await;
    let moved = last - Decimal::from(2 * AWAY);
    client.modify_order(&ModifyOrder::builder(account, id).limit_price(moved).build()?).await?;
    let order = client.order_by_id(account, id).await?;
    let open = client.search_open_orders(account).await?.unwrap_or_empty();
    let query =
        OrderQuery::builder(account).statuses([OrderStatus::Open]).include_total_count(true).build()?;
    let page = client.query_orders(&query).await?;
    client.cancel_order(&CancelOrder { account_id: account, order_id: id }).await?;
    let searched = client.search_orders(&OrderSearch::new(account, since, None)?).await?.unwrap_or_empty();

    let entry = PlaceOrder::builder(account, contract.clone(), OrderType::Market, Side::Ask, 2).build()?;
    client.place_order(&entry).await?;
    settle().await;
    let short = positions(client, account).await?;
    client.partial_close_contract(&PartialCloseContract::new(account, contract.clone(), 1)?).await?;
    settle().await;
    let trimmed = positions(client, account).await?;
    client.close_contract(&CloseContract { account_id: account, contract_id: contract.clone() }).await?;
    settle().await;
    let flat = positions(client, account).await?;
    let trades = client.search_trades(&TradeSearch::new(account, since, None)?).await?.unwrap_or_empty();
    let queried = client.query_trades(&TradeQuery::builder(account).build()?).await?.unwrap_or_empty();
    client.logout().await?;
    let refused = client.search_accounts(true).await.err().map(|error| error.to_string());

    let sizes = |rows: &[Position]| rows.iter().map(|row| row.size).collect::<Vec<_>>();
    Ok(json!({
        "accounts": all.len(),
        "available": available.len(),
        "found": found.iter().map(|row| row.name.clone()).collect::<Vec<_>>(),
        "bars": bars.len(),
        "newest_first": bars.windows(2).all(|pair| pair[0].t > pair[1].t),
        "moved": order.limit_price == Some(moved),
        "open": open.len(),
        "page": json!([page.orders.unwrap_or_empty().len(), page.total_count]),
        "cancelled": searched.iter().find(|row| row.id == id).map(|row| format!("{:?}", row.status)),
        "sizes": [sizes(&short), sizes(&trimmed), sizes(&flat)],
        "trades": trades.len(),
        "closing": queried.iter().filter(|row| row.profit_and_loss.is_some()).count(),
        "after_logout": refused,
    }))
}

async fn positions(client: &Client, account: AccountId) -> Result<Vec<Position>, Failure> {
    Ok(client.search_open_positions(account).await?.unwrap_or_empty())
}

/// The venue accepts and fills within milliseconds; an answer does not wait for it.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(150)).await;
}
