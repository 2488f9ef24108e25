"""Health check of a container: fails unless the address answers, to the inference key where one is given.

health.py http://127.0.0.1:8080/ping /state/key_file.json
"""

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

SECONDS = 4


def main() -> None:
    """Ask once; the message of a failure is what `docker inspect` shows."""
    url, *key_file = sys.argv[1:]
    request = urllib.request.Request(url)  # noqa: S310  # the address is the operator's own
    try:
        if key_file:
            key = json.loads(Path(key_file[0]).read_text())["inference"]["key"]
            request.add_header("Authorization", f"Bearer {key}")
        urllib.request.urlopen(request, timeout=SECONDS).close()  # noqa: S310
    except urllib.error.HTTPError as error:
        # An expired key is renewed by who needs it; that the server refuses it shows that it is alive.
        if "InvalidKeyException" not in error.read().decode(errors="replace"):
            sys.exit(f"{url} answers {error.code}")
    except OSError as error:
        sys.exit(f"{url} does not answer: {error}")


if __name__ == "__main__":
    main()
