-- Tables of the bot (specification 20.4). Prices numeric(18,9), dollars numeric(18,6), ticks bigint.

CREATE TABLE IF NOT EXISTS historical_bars (
    id bigserial,
    symbol varchar(20) NOT NULL,
    contract_id varchar(40) NOT NULL,
    timeframe varchar(10) NOT NULL,
    "timestamp" timestamptz NOT NULL,
    open numeric(18,9), high numeric(18,9), low numeric(18,9), close numeric(18,9),
    volume bigint, ticks int, complete bool,
    source varchar(16),
    metadata jsonb,
    created_at timestamptz DEFAULT now(),
    UNIQUE (contract_id, timeframe, "timestamp")
);
CREATE INDEX IF NOT EXISTS historical_bars_symbol ON historical_bars (symbol, timeframe, "timestamp" DESC);
CREATE INDEX IF NOT EXISTS historical_bars_created ON historical_bars (created_at);

CREATE TABLE IF NOT EXISTS contracts (
    contract_id varchar(40) PRIMARY KEY,
    symbol varchar(20), product varchar(20), name text, description text,
    symbol_id varchar(40), trading_group varchar(20),
    tick_size numeric(18,9), tick_value numeric(18,6), tick_num int, tick_den int,
    weight smallint, active bool, expiry date,
    seen_at timestamptz
);
CREATE INDEX IF NOT EXISTS contracts_symbol ON contracts (symbol, active);

CREATE TABLE IF NOT EXISTS account_state (
    account_id varchar(50) PRIMARY KEY,
    account_name varchar(100),
    balance numeric(18,6), starting_balance numeric(18,6), highest_eod_balance numeric(18,6),
    daily_pnl numeric(18,6), dll_remaining numeric(18,6), mll_remaining numeric(18,6), mll_floor numeric(18,6),
    total_trades_today int, winning_trades_today int, losing_trades_today int,
    trading_day date,
    metadata jsonb,
    last_updated timestamptz DEFAULT now()
);

CREATE TABLE IF NOT EXISTS rule_state (
    account_id varchar(50) PRIMARY KEY,
    risk_day date,
    balance bigint, open_result bigint, day_base bigint, high bigint, floor bigint, end_of_day_profit bigint,
    known bool, dll_locked bool, mll_breached bool,
    metadata jsonb,
    updated_at timestamptz DEFAULT now()
);

CREATE TABLE IF NOT EXISTS trading_state (
    scope varchar(50) PRIMARY KEY,
    state varchar(10) NOT NULL,
    reason text, actor varchar(50),
    version bigint NOT NULL,
    changed_at timestamptz DEFAULT now()
);

CREATE TABLE IF NOT EXISTS intents (
    intent_id varchar(40) PRIMARY KEY,
    tag varchar(64),
    account_id varchar(50) NOT NULL, contract_id varchar(40),
    kind varchar(20), side smallint, type smallint, quantity int, limit_ticks bigint, stop_ticks bigint,
    plan jsonb,
    source varchar(50), strategy varchar(50),
    idempotency_key text,
    state varchar(20) NOT NULL, outcome varchar(20), code text,
    order_id bigint, epoch bigint,
    created_at timestamptz DEFAULT now(), sent_at timestamptz, resolved_at timestamptz,
    UNIQUE (account_id, tag),
    UNIQUE (account_id, idempotency_key)
);
CREATE INDEX IF NOT EXISTS intents_state ON intents (state);

CREATE TABLE IF NOT EXISTS orders (
    account_id varchar(50) NOT NULL, order_id bigint NOT NULL,
    contract_id varchar(40),
    side smallint, type smallint, status smallint,
    quantity int, filled int, limit_ticks bigint, stop_ticks bigint, trail_ticks bigint,
    filled_price numeric(18,9),
    tag varchar(64), parent_id bigint, linked_id bigint, intent_id varchar(64), owner varchar(20),
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(),
    raw jsonb,
    PRIMARY KEY (account_id, order_id)
);
CREATE INDEX IF NOT EXISTS orders_status ON orders (account_id, status);
CREATE INDEX IF NOT EXISTS orders_tag ON orders (tag);

CREATE TABLE IF NOT EXISTS fills (
    account_id varchar(50) NOT NULL, trade_id bigint NOT NULL,
    order_id bigint, contract_id varchar(40),
    side smallint, quantity int, price numeric(18,9),
    pnl numeric(18,6), fees numeric(18,6), commissions numeric(18,6),
    voided bool, ts timestamptz NOT NULL,
    PRIMARY KEY (account_id, trade_id)
);
CREATE INDEX IF NOT EXISTS fills_time ON fills (account_id, ts DESC);
CREATE INDEX IF NOT EXISTS fills_order ON fills (order_id);

CREATE TABLE IF NOT EXISTS protection (
    account_id varchar(50) NOT NULL, contract_id varchar(40) NOT NULL,
    state varchar(20),
    stop_order_id bigint, target_order_ids bigint[],
    breakeven jsonb, "trailing" jsonb,
    unprotected_ms int,
    updated_at timestamptz DEFAULT now(),
    PRIMARY KEY (account_id, contract_id)
);

CREATE TABLE IF NOT EXISTS reconciliation_log (
    id bigserial PRIMARY KEY,
    account_id varchar(50) NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    colour varchar(20) NOT NULL,
    differences jsonb NOT NULL, actions jsonb NOT NULL
);
CREATE INDEX IF NOT EXISTS reconciliation_log_time ON reconciliation_log (account_id, at DESC);

CREATE TABLE IF NOT EXISTS audit_log (
    id bigserial PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor varchar(50) NOT NULL, source varchar(50), action varchar(40) NOT NULL,
    account_id varchar(50),
    before jsonb, after jsonb, result text
);
CREATE INDEX IF NOT EXISTS audit_log_time ON audit_log (at DESC);
CREATE INDEX IF NOT EXISTS audit_log_actor ON audit_log (actor, at DESC);
