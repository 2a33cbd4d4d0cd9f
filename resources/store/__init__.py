"""The message store: what came in, what must go out, and every attempt, in PostgreSQL."""

from resources.store.values import Arrival, Message, OnFailure, Owed, Receipt, State

__all__ = ["Arrival", "Message", "OnFailure", "Owed", "Receipt", "State"]
