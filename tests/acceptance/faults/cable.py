"""A cable between the engine and a server, which a test can cut: bytes stop both ways, and nobody is told."""

import socket
import threading
from contextlib import suppress
from pathlib import Path

#: Where a cable leads: a port of this machine, or a Unix socket.
Target = int | Path


class Cable:
    """Forwards connections to its own port. While it is cut, connections are taken and nothing passes."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._server.getsockname()[1]
        self._whole = threading.Event()
        self._whole.set()
        #: How often it was cut: a connection of before a cut does not outlive it.
        self._cuts = 0
        threading.Thread(target=self._accept, name=f"cable-{self.port}", daemon=True).start()

    def cut(self) -> None:
        """Let nothing pass any more, in neither direction."""
        self._cuts += 1
        self._whole.clear()

    def mend(self) -> None:
        """Let new connections pass; the old ones end, with what they still held."""
        self._whole.set()

    def close(self) -> None:
        """Take no more connections."""
        self._server.close()
        self._cuts += 1
        self._whole.set()

    # -- inside -------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        self._whole.wait()
        born = self._cuts
        try:
            server = self._reach()
        except OSError:
            client.close()
            return
        back = threading.Thread(target=self._pump, args=(server, client, born), daemon=True)
        back.start()
        self._pump(client, server, born)
        back.join()
        client.close()
        server.close()

    def _reach(self) -> socket.socket:
        if isinstance(self._target, int):
            return socket.create_connection(("127.0.0.1", self._target), timeout=None)
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            server.connect(str(self._target))
        except OSError:
            server.close()
            raise
        return server

    def _pump(self, source: socket.socket, target: socket.socket, born: int) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._whole.wait()
                if self._cuts != born:
                    break
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
