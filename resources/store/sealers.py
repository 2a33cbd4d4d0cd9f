"""A sealer for each thread: the compressors of one are not shared."""

import threading

from resources.store.seal import Keys, Sealer


class Sealers:
    """The same keys for all of a process."""

    def __init__(self, keys: Keys) -> None:
        self._keys, self._of_thread = keys, threading.local()

    def mine(self) -> Sealer:
        """This thread's."""
        if not hasattr(self._of_thread, "sealer"):
            self._of_thread.sealer = Sealer(self._keys)
        sealer: Sealer = self._of_thread.sealer
        return sealer
