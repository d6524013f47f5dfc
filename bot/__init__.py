"""A futures trading bot for TopstepX (ProjectX Gateway)."""

__version__ = "0.1.0"
