"""Fixtures of the failure rows: lock folders of their own, quiet logs, a venue on sockets."""

from tests.integration.gateway.conftest import make_venue, venue  # noqa: F401 - fixtures
from tests.simulation.conftest import _quiet, locks  # noqa: F401 - fixtures
