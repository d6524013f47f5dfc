//! One REST call per line of standard input; each prints the typed outcome that the client makes of the answer.

use std::fmt::Debug;

use projectx_client::{
    AccountId, BarUnit, CancelOrder, Client, CloseContract, ContractId, Decimal, Error, HistoryRequest,
    ModifyOrder, OrderId, OrderType, PartialCloseContract, PlaceOrder, ProviderList, Side, Timestamp,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, stdin};

use crate::{Failure, client, text};

const NOBODY: i64 = 999_999_999;

/// Answers commands until standard input ends.
pub async fn answer(settings: &Value) -> Result<Value, Failure> {
    let client = client(settings, text(settings, "apiKey")?)?;
    let account = AccountId::new(settings["accountId"].as_i64().ok_or("accountId is missing")?.try_into()?)?;
    let contract = ContractId::new(text(settings, "contractId")?)?;
    let mut count = 0;
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(command) = lines.next_line().await? {
        let outcome = if command == "login-wrong" {
            shown(self::client(settings, "no-such-key")?.authenticate().await)
        } else {
            call(&client, &command, account, &contract, settings).await?
        };
        println!("{}", json!({ "answer": command, "outcome": outcome }));
        count += 1;
    }
    Ok(json!({ "answers": count }))
}

async fn call(
    client: &Client,
    command: &str,
    account: AccountId,
    contract: &ContractId,
    settings: &Value,
) -> Result<String, Failure> {
    let nobody = OrderId::new(NOBODY)?;
    let unknown = ContractId::new("CON.F.US.NOPE.Z25")?;
    Ok(match command {
        "login" => shown(client.authenticate().await),
        "ping" => shown(client.ping().await),
        "validate" => shown(client.validate_session().await),
        "accounts" => listed(client.search_active_accounts().await),
        "positions" => listed(client.search_open_positions(account).await),
        "open orders" => listed(client.search_open_orders(account).await),
        "foreign account" => listed(client.search_open_orders(AccountId::new(4711)?).await),
        "unknown contract" => shown(client.contract_by_id(&unknown).await),
        "unknown order" => shown(client.order_by_id(account, nobody).await),
        "bars of an unknown contract" => {
            let (since, until) =
                (Timestamp::new(text(settings, "since")?)?, Timestamp::new(text(settings, "until")?)?);
            let wanted =
                HistoryRequest::builder(unknown, false, since, until, BarUnit::Minute).limit(5).build()?;
            listed(client.retrieve_bars(&wanted).await)
        }
        "place" | "place off tick" => {
            let order = PlaceOrder::builder(account, contract.clone(), OrderType::Limit, Side::Bid, 1)
                .limit_price(if command == "place" {
                    Decimal::from(1000)
                } else {
                    Decimal::new(1_000_010, 3)
                })
                .build()?;
            shown(client.place_order(&order).await.map(|_| ()))
        }
        "modify an unknown order" => {
            let change = ModifyOrder::builder(account, nobody).limit_price(Decimal::from(1000)).build()?;
            shown(client.modify_order(&change).await)
        }
        "cancel an unknown order" => {
            shown(client.cancel_order(&CancelOrder { account_id: account, order_id: nobody }).await)
        }
        "close a flat position" => {
            let close = CloseContract { account_id: account, contract_id: contract.clone() };
            shown(client.close_contract(&close).await)
        }
        "close a part of nothing" => shown(
            client.partial_close_contract(&PartialCloseContract::new(account, contract.clone(), 9)?).await,
        ),
        other => return Err(format!("unknown command {other}").into()),
    })
}

fn listed<T>(result: Result<ProviderList<T>, Error>) -> String {
    match result {
        Ok(ProviderList::Listed(rows)) => format!("{} rows", rows.len()),
        Ok(ProviderList::Absent) => "absent".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

fn shown<T: Debug>(result: Result<T, Error>) -> String {
    result.map_or_else(|error| format!("{error:?}"), |value| format!("{value:?}"))
}
