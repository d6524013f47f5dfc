"""The paper gateway: the venue's REST and hub protocols over loopback, with a judge that keeps the ledger."""
