# An origin on Python's h11 for the differential test of the HTTP/1.1 codec.
#
# It says on its output which port it listens on, and answers each request with the header X-Seen:
# the method, the target as it came and the bytes of content, as hexadecimal text.
# Invariant: it reads every request whole before it answers; it ends with its input.
import asyncio
import sys

import h11


async def answer(reader, writer):
    connection = h11.Connection(h11.SERVER)
    count = 0
    request = None
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Request):
                request, count = event, 0
            elif isinstance(event, h11.Data):
                count += len(event.data)
            elif isinstance(event, h11.EndOfMessage):
                seen = b"%s %s %d" % (request.method, request.target, count)
                headers = [("X-Seen", seen.hex()), ("Content-Length", "0")]
                writer.write(connection.send(h11.Response(status_code=200, headers=headers)))
                writer.write(connection.send(h11.EndOfMessage()))
                if connection.our_state is h11.MUST_CLOSE:
                    break
                connection.start_next_cycle()
            else:
                break
        await writer.drain()
    except (h11.RemoteProtocolError, ConnectionError):
        pass
    writer.close()


async def main():
    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(listener.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
