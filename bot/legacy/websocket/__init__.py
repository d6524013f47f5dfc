"""Hub records to typed events, the authoritative implementation."""

from bot.legacy.websocket.processor import PythonStreamProcessor

__all__ = ["PythonStreamProcessor"]
