"""Approved intents to wire requests, answers to outcomes, order events to order state."""

from bot.legacy.order_execution.execution import PythonOrderExecution

__all__ = ["PythonOrderExecution"]
