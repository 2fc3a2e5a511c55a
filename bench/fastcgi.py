#!/usr/bin/env python3
"""A FastCGI program that answers hello, as little as there can be of one: what is measured is who asks it.

bench/fastcgi.py PORT
"""

import select
import socket
import sys

HEAD_AND_BODY = b"Content-Type: text/plain\r\n\r\nhello\n"
KEEP = 1


def record(kind, content):
    padding = -len(content) % 8
    return bytes([1, kind, 0, 1, len(content) >> 8, len(content) & 255, padding, 0]) + content + b"\0" * padding


ANSWER = record(6, HEAD_AND_BODY) + record(6, b"") + record(3, bytes(8))
# No body is sent here, so a request is whole with this.
END_OF_BODY = bytes([1, 5, 0, 1, 0, 0, 0, 0])


def serve(port):
    door = socket.create_server(("127.0.0.1", port), backlog=4096)
    door.setblocking(False)
    poll = select.epoll()
    poll.register(door, select.EPOLLIN)
    known, waiting = {}, {}
    while True:
        for number, _ in poll.poll():
            if number == door.fileno():
                visitor, _ = door.accept()
                visitor.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                known[visitor.fileno()] = visitor
                poll.register(visitor, select.EPOLLIN)
                continue
            visitor = known[number]
            try:
                piece = visitor.recv(65536)
            except ConnectionError:
                piece = b""
            asked = waiting.pop(number, b"") + piece
            if not piece:
                poll.unregister(visitor)
                known.pop(number).close()
            elif not asked.endswith(END_OF_BODY):
                waiting[number] = asked
            else:
                visitor.sendall(ANSWER)
                if not asked[10] & KEEP:
                    poll.unregister(visitor)
                    known.pop(number).close()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
