-- A queue that is replayed after an outage writes each log row once: entries carry their own time.

CREATE UNIQUE INDEX reconciliation_log_once ON reconciliation_log (account_id, at, colour);
CREATE UNIQUE INDEX audit_log_once ON audit_log (at, actor, action, coalesce(account_id, ''));
