"""TLS by Python's ssl: handshake, echo of a mebibyte, half-close. Prints one line of JSON.

Usage: client.py PORT CA VERSION. Works over memory, so that close_notify can be sent while reading
goes on; reads one byte at a time for the first kilobyte.
"""

import hashlib
import json
import socket
import ssl
import sys

port, ca, version = int(sys.argv[1]), sys.argv[2], sys.argv[3]
limits = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
trust = ssl.create_default_context(cafile=ca)
trust.minimum_version = trust.maximum_version = limits[version]
wire = socket.create_connection(("127.0.0.1", port))
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = trust.wrap_bio(incoming, outgoing, server_hostname="localhost")


def step(act, size=65536):
    """Runs `act` until it needs nothing more from the wire."""
    while True:
        try:
            result = act()
            wire.sendall(outgoing.read())
            return result
        except ssl.SSLWantReadError:
            wire.sendall(outgoing.read())
            got = wire.recv(size)
            if got:
                incoming.write(got)
            else:
                incoming.write_eof()


step(tls.do_handshake)
sent = bytes(range(256)) * 4096
heard = b""
at = 0
while at < len(sent):
    tls.write(sent[at : at + 50_000])
    wire.sendall(outgoing.read())
    at += 50_000
    while len(heard) < min(at, len(sent)):
        heard += step(lambda: tls.read(65536), 1 if len(heard) < 1000 else 65536)
echo = hashlib.sha256(heard).digest() == hashlib.sha256(sent).digest()

# Our end: close_notify goes out, and what comes after it is read to the other side's.
tls.write(b"last")
try:
    tls.unwrap()
except ssl.SSLWantReadError:
    pass
wire.sendall(outgoing.read())
last = b""
clean = False
while True:
    got = wire.recv(65536)
    if not got:
        break
    incoming.write(got)
    try:
        last += tls.read(65536)
    except ssl.SSLWantReadError:
        continue
    except ssl.SSLZeroReturnError:
        clean = True
print(
    json.dumps(
        {
            "handshake": f"{tls.version()} {tls.cipher()[0]}",
            "echo": echo,
            "halfClose": last == b"last" or clean,
            "update": None,
        }
    )
)
