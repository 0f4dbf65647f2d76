"""A real PostgreSQL server, started for the tests in a folder of their own and gone with it."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.memory import memory_folder

__all__ = ["PASSWORD", "Server", "binaries", "chosen"]

PASSWORD = "correct-horse-battery"
USER = "cameo"


def binaries() -> Path | None:
    """The folder with ``initdb`` and ``pg_ctl``; None where there is none."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "pg_ctl").exists()), None)


class Server:
    """One server on a socket in its folder and on 127.0.0.1, where it asks for a password.

    Args:
        durable: force every commit to the disk, as a server does by itself. Off, tests are faster and survive the
            death of the server all the same; what they would not survive is a power cut.
    """

    def __init__(self, *, durable: bool = False) -> None:
        bin_ = binaries()
        if bin_ is None:
            raise FileNotFoundError("PostgreSQL is not installed")
        self.folder = Path(tempfile.mkdtemp(prefix="cameo-pg-", dir=memory_folder()))
        # PostgreSQL refuses to run as root.
        self._as = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.getuid() == 0 else []
        if self._as:
            shutil.chown(self.folder, "nobody", "nogroup")
        self._bin, self._data = bin_, self.folder / "data"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        auth = ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={secret}"]
        self._run("initdb", "-D", self._data, "-U", USER, *auth, "--no-sync", "-E", "UTF8", "--no-locale")
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
            "fsync": "on" if durable else "off",
            "max_connections": 300,
            "shared_buffers": "32MB",
            # So that a transaction which does not ask for more is not durable: what asks is seen to.
            "synchronous_commit": "off",
        }
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        self.start()

    def start(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-l", self.folder / "log", "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        """``fast``: whoever is connected is thrown out. ``immediate``: as if it had crashed."""
        self._run("pg_ctl", "-D", self._data, "-m", mode, "-w", "stop")

    def close(self) -> None:
        if (self._data / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def new_database(self) -> str:
        """The URL of an empty one."""
        name = f"vault_{secrets.token_hex(6)}"
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        return self.url(name)

    def url(self, name: str) -> str:
        return f"postgresql://{USER}@/{name}?host={self.folder}&port={self.port}"

    def url_with(self, name: str, password: str) -> str:
        """Over the network, where a password counts."""
        return f"postgresql://{USER}:{password}@127.0.0.1:{self.port}/{name}"

    def connect(self, name: str) -> psycopg.Connection:
        """Straight to it, not by way of anything of ours; every statement commits."""
        return psycopg.connect(host=str(self.folder), port=self.port, user=USER, dbname=name, autocommit=True)

    def wait_for(self, name: str, query: str) -> None:
        """Until a query gives a row; half a minute at most."""
        end = time.monotonic() + 30
        with self.connect(name) as connection:
            while connection.execute(query).fetchone() is None:  # type: ignore[arg-type]
                if time.monotonic() > end:
                    raise TimeoutError(query)
                time.sleep(0.02)

    def _run(self, program: str, *words: object) -> None:
        subprocess.run(
            [*self._as, str(self._bin / program), *map(str, words)],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            check=True,
            timeout=60,
            start_new_session=True,
        )


@contextmanager
def chosen(database: str) -> Iterator[Server | None]:
    """For a command: vaults that are opened in the block keep their tables in ``postgresql``, on a durable server of
    their own, or in ``sqlite``."""
    if database == "sqlite":
        yield None
        return
    server = Server(durable=True)
    try:
        os.environ["CAMEO_DATABASE"] = server.new_database()
        yield server
    finally:
        del os.environ["CAMEO_DATABASE"]
        server.close()
