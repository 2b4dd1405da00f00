"""Containers of the storage emulator, by plain requests: the hub gets their addresses."""

import urllib.request

from contract import WORLD, unique

ACCOUNT, SIGNATURE = WORLD["storage"]["account"], WORLD["storage"]["signature"]


class Container:
    """A new container."""

    def __init__(self):
        self.name = unique("jobs")
        _ask(f"{ACCOUNT}/{self.name}?restype=container&{SIGNATURE}", "PUT")

    @property
    def uri(self):
        return f"{ACCOUNT}/{self.name}?{SIGNATURE}"

    def read(self, blob):
        return _ask(self._address(blob), "GET").decode()

    def write(self, blob, text):
        _ask(self._address(blob), "PUT", text.encode(), {"x-ms-blob-type": "BlockBlob"})

    def _address(self, blob):
        return f"{ACCOUNT}/{self.name}/{blob}?{SIGNATURE}"


def _ask(url, method, body=None, headers=None):
    with urllib.request.urlopen(urllib.request.Request(url, body, headers or {}, method=method), timeout=30) as answer:
        return answer.read()
