"""Clients and origins inside network namespaces, driven by JSON lines on standard input.

Path: netns.ts starts this; it enters a namespace only to make a socket and returns at once.
Invariant: each request gets one answer with its id; everything ends when standard input ends.
"""

import ctypes
import json
import os
import socket
import sys
import threading

CLONE_NEWNET = 0x40000000
TIMEOUT_SECONDS = 30
LIBC = ctypes.CDLL(None, use_errno=True)
OWN = os.open("/proc/self/ns/net", os.O_RDONLY)
known = {}
sockets = {}


def enter(fd):
    if LIBC.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def make_socket(netns):
    """A TCP socket in the namespace. The namespace stays reachable after its name was deleted."""
    if netns is None:
        return socket.socket()
    if netns not in known:
        known[netns] = os.open("/var/run/netns/" + netns, os.O_RDONLY)
    enter(known[netns])
    try:
        return socket.socket()
    finally:
        enter(OWN)


def serve(listening, name):
    while True:
        made, _ = listening.accept()
        threading.Thread(target=echo, args=(made, name), daemon=True).start()


def echo(made, name):
    with made:
        try:
            made.sendall((name + "\n").encode())
            while piece := made.recv(65536):
                made.sendall(piece)
        except OSError:
            pass


def listen(request):
    listening = make_socket(request["netns"])
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", request.get("port", 0)))
    listening.listen(64)
    threading.Thread(target=serve, args=(listening, request["name"]), daemon=True).start()
    return {"port": listening.getsockname()[1]}


def connect(request):
    made = make_socket(request["netns"])
    made.settimeout(TIMEOUT_SECONDS)
    made.connect(("127.0.0.1", request["port"]))
    sockets[request["id"]] = made
    return {"wire": request["id"]}


def line(request):
    made = sockets[request["wire"]]
    text = b""
    while not text.endswith(b"\n"):
        piece = made.recv(1)
        if piece == b"":
            break
        text += piece
    return {"text": text.decode().rstrip("\n")}


def say(request):
    made = sockets[request["wire"]]
    made.sendall((request["text"] + "\n").encode())
    return line(request)


def close(request):
    sockets.pop(request["wire"]).close()
    return {}


def forget(request):
    os.close(known.pop(request["netns"]))
    return {}


ACTIONS = {
    "listen": listen,
    "connect": connect,
    "line": line,
    "say": say,
    "close": close,
    "forget": forget,
}

for text in sys.stdin:
    request = json.loads(text)
    try:
        answer = ACTIONS[request["do"]](request)
    except OSError as error:
        answer = {"error": error.strerror, "errno": error.errno}
    print(json.dumps({"id": request["id"], **answer}), flush=True)
