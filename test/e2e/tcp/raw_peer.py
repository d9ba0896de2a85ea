"""A scripted peer on raw sockets, for what Node's sockets do not let a test do.

Path: raw-peer.ts starts it; a test speaks to it in JSON lines on standard input and output.
Invariant: each command runs in a thread of its own and answers once, with a result or an errno name,
so that a blocking accept or read never holds up the next command. All sockets end with the process.
"""

import array
import errno
import hashlib
import json
import resource
import select
import selectors
import socket
import struct
import sys
import threading

READ_BYTES = 65536
TEXT_BYTES_MAX = 4096
POLL_MS = 20
# A connect to a queue with room takes microseconds; the kernel repeats a lost SYN after a second.
FULL_SECONDS = 0.3

sockets = {}
fleets = {}
output_lock = threading.Lock()


def say(message):
    with output_lock:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def checksum(digest):
    return digest.hexdigest()[:16]


def payload_of(args):
    if "text" in args:
        return args["text"].encode("latin1")
    return hashlib.shake_128(args["seed"].encode()).digest(args["bytes"])


def make_socket(args):
    if "path" in args:
        return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), args["path"]
    host = args.get("host", "127.0.0.1")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    if "receiveBuffer" in args:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, args["receiveBuffer"])
    return made, (host, args.get("port", 0))


def port_of(made):
    name = made.getsockname()
    return name[1] if isinstance(name, tuple) else 0


def address_of(made):
    if made.family == socket.AF_UNIX:
        return ""
    host, port = made.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def connect(args):
    made, address = make_socket(args)
    sockets[args["socket"]] = made
    made.connect(address)
    if made.family != socket.AF_UNIX:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return {"address": address_of(made)}


def listen(args):
    made, address = make_socket(args)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(address)
    made.listen(args.get("backlog", 128))
    sockets[args["socket"]] = made
    return {"port": port_of(made)}


def fill_backlog(args):
    """Connects to a listening socket of this process until its queue takes no more."""
    address = sockets[args["socket"]].getsockname()
    family = sockets[args["socket"]].family
    fleet = fleets.setdefault(args["socket"], [])
    while True:
        made = socket.socket(family, socket.SOCK_STREAM)
        made.settimeout(FULL_SECONDS)
        fleet.append(made)
        try:
            made.connect(address)
        except (TimeoutError, BlockingIOError):
            made.close()
            fleet.pop()
            return {"count": len(fleet)}


def accept(args):
    made, _ = sockets[args["socket"]].accept()
    if made.family != socket.AF_UNIX:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sockets[args["as"]] = made
    return {}


def send(args):
    """Never waits inside the kernel, so that another command can close the socket meanwhile."""
    made = sockets[args["socket"]]
    payload = memoryview(payload_of(args))
    flags = socket.MSG_OOB if args.get("urgent") else 0
    step = args.get("step", 0) or len(payload)
    poll = select.poll()
    poll.register(made, select.POLLOUT)
    at = 0
    while at < len(payload):
        try:
            at += made.send(payload[at : min(at + step, len(payload))], flags | socket.MSG_DONTWAIT)
        except BlockingIOError:
            poll.poll(POLL_MS)
    return {}


def send_descriptor(args):
    made = sockets[args["socket"]]
    passed = array.array("i", [sys.stdin.fileno()])
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)]
    made.sendmsg([payload_of(args)], rights)
    return {}


def recv(args):
    """Reads until `bytes` have come, or to the end without it."""
    made = sockets[args["socket"]]
    wanted = args.get("bytes", -1)
    step = args.get("step", READ_BYTES)
    digest = hashlib.sha256()
    text = b""
    count = 0
    end = None
    while wanted < 0 or count < wanted:
        try:
            part = made.recv(step if wanted < 0 else min(step, wanted - count))
        except OSError as error:
            end = errno.errorcode[error.errno]
            break
        if not part:
            end = "fin"
            break
        count += len(part)
        digest.update(part)
        if len(text) < TEXT_BYTES_MAX:
            text += part
    shown = text[:TEXT_BYTES_MAX].decode("latin1")
    return {"bytes": count, "checksum": checksum(digest), "text": shown, "end": end}


def await_error(args):
    """Waits for an error of the socket without reading or writing."""
    made = sockets[args["socket"]]
    poll = select.poll()
    poll.register(made, 0)
    poll.poll()
    return {"error": errno.errorcode.get(made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))}


def finish(args):
    sockets[args["socket"]].shutdown(socket.SHUT_WR)
    return {}


def close(args):
    sockets.pop(args["socket"]).close()
    return {}


def arm_reset(made):
    if made.family != socket.AF_UNIX:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def reset(args):
    made = sockets.pop(args["socket"])
    arm_reset(made)
    made.close()
    return {}


def last_words(args):
    """All at once: bytes, then FIN if asked for, then RST if asked for."""
    made = sockets.pop(args["socket"])
    payload = payload_of(args)
    if payload:
        made.sendall(payload)
    if args.get("finish"):
        made.shutdown(socket.SHUT_WR)
    if args.get("reset"):
        arm_reset(made)
        made.close()
    else:
        sockets[args["socket"]] = made
    return {}


def answer_once(args):
    """Accepts one connection and says its last words at once."""
    made, _ = sockets[args["socket"]].accept()
    sockets["answered"] = made
    return last_words({**args, "socket": "answered"})


def echo_forever(listening):
    """Echoes on every connection of a listening socket, in one thread; an end is answered by an end."""
    chosen = selectors.DefaultSelector()
    listening.setblocking(False)
    chosen.register(listening, selectors.EVENT_READ)
    while True:
        for key, _ in chosen.select():
            made = key.fileobj
            try:
                if made is listening:
                    made, _ = listening.accept()
                    chosen.register(made, selectors.EVENT_READ)
                    continue
                part = made.recv(READ_BYTES)
                if part:
                    made.sendall(part)
                    continue
            except BlockingIOError:
                continue
            except OSError:
                pass
            chosen.unregister(made)
            made.close()


def echo(args):
    result = listen({**args, "backlog": 4096})
    threading.Thread(target=echo_forever, args=(sockets[args["socket"]],), daemon=True).start()
    return result


def connect_fleet(args):
    """Many connections under one name, each said to have echoed its number."""
    fleet = fleets.setdefault(args["fleet"], [])
    for number in range(args["count"]):
        made, address = make_socket(args)
        made.connect(address)
        fleet.append(made)
        made.sendall(struct.pack(">I", number))
    wrong = 0
    for number, made in enumerate(fleet[-args["count"] :]):
        heard = made.recv(4, socket.MSG_WAITALL)
        wrong += heard != struct.pack(">I", number)
    return {"wrong": wrong}


def close_fleet(args):
    fleet = fleets.pop(args["fleet"])
    for made in fleet:
        if args.get("reset"):
            arm_reset(made)
        made.close()
    return {"count": len(fleet)}


def limit_descriptors(args):
    _, hard = resource.prlimit(args["pid"], resource.RLIMIT_NOFILE)
    before = resource.prlimit(args["pid"], resource.RLIMIT_NOFILE, (args["soft"], hard))
    return {"soft": before[0]}


COMMANDS = {
    command.__name__: command
    for command in (
        connect,
        listen,
        echo,
        fill_backlog,
        accept,
        send,
        send_descriptor,
        recv,
        await_error,
        finish,
        close,
        reset,
        last_words,
        answer_once,
        connect_fleet,
        close_fleet,
        limit_descriptors,
    )
}


def run(message):
    try:
        result = COMMANDS[message["op"]](message)
        say({"id": message["id"], "result": result})
    except OSError as error:
        name = errno.errorcode.get(error.errno, str(error))
        say({"id": message["id"], "error": name})
    except Exception as error:  # a fault of the script must reach the test
        say({"id": message["id"], "error": repr(error)})


_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
for line in sys.stdin:
    threading.Thread(target=run, args=(json.loads(line),), daemon=True).start()
