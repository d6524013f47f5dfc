"""Fixtures of the failure rows: lock folders of their own, quiet logs, a venue on sockets, the lines of the log."""

from collections.abc import MutableMapping
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from tests.integration.gateway.conftest import make_venue, venue  # noqa: F401 - fixtures
from tests.simulation.conftest import _quiet, locks  # noqa: F401 - fixtures


@pytest.fixture
def lines(_quiet: None) -> list[MutableMapping[str, Any]]:  # noqa: F811 - restores the configuration
    """What is logged from here on, one mapping per line."""
    capture = LogCapture()
    structlog.configure(processors=[capture], wrapper_class=structlog.make_filtering_bound_logger(0))
    return capture.entries
