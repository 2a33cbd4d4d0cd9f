"""Redox in miniature: the network that carries orders from clinics and results back to them.

It takes Results, Notes and Media documents, holds uploaded files, and delivers a feed of orders to the engine's
door in strict order: a feed that is answered 400 or above stops there and tries that message again.
"""

from .system import Redox

__all__ = ["Redox"]
