"""An S3 server of its own process, spoken to over HTTP (moto's, which keeps all of it in memory)."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from urllib.error import URLError
from urllib.request import urlopen

__all__ = ["ObjectServer"]


class ObjectServer:
    """Started when made; ``variables`` are the environment its clients need."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.variables = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "tests",
            "AWS_SECRET_ACCESS_KEY": "nobody-knows",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"MOTO_S3_CUSTOM_ENDPOINTS": self.url},
        )
        end = time.monotonic() + 30
        while True:
            try:
                urlopen(self.url, timeout=10).close()  # noqa: S310
                return
            except (URLError, TimeoutError):  # on a machine at work it may accept and be slow to answer
                if time.monotonic() > end or self._process.poll() is not None:
                    raise
                time.sleep(0.05)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
