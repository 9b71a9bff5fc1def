"""A mail server for the tests: aiosmtpd, with receivers that misbehave by name.

usage: smtpd.py ADDRESS starttls|tls CERTIFICATE KEY [FILE WITH THE PASSWORD]
Prints its port, then each mail that it took as one line of JSON.
grey@… is refused once with 451, gone@… always with 550, cut@… loses its connection in the middle of
its first mail, spam@… is refused with 554 after the mail.
"""
import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Handler:
    def __init__(self):
        self.seen = set()

    def first(self, address):
        if address in self.seen:
            return False
        self.seen.add(address)
        return True

    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        if name == "gone":
            return "550 5.1.1 no such user"
        if name == "grey" and self.first(address):
            return "451 4.7.1 greylisted, come again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        name = envelope.rcpt_tos[0].split("@")[0]
        if name == "cut" and self.first(envelope.rcpt_tos[0]):
            server.transport.abort()
            return "421 gone"
        if name == "spam":
            return "554 5.7.1 not wanted"
        print(json.dumps({
            "from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": session.ssl is not None or implicit,
            "user": session.auth_data.login.decode() if session.authenticated else "", "text": envelope.content.decode(),
        }), flush=True)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    ok = isinstance(data, LoginPassword) and data.login == b"steelyard" and data.password == password
    return AuthResult(success=ok, handled=False, auth_data=data)


async def main():
    handler = Handler()
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(handler, hostname="mail.test", tls_context=None if implicit else context, require_starttls=not implicit,
                     authenticator=authenticate, auth_required=True, auth_require_tls=not implicit),
        sys.argv[1], 0, ssl=context if implicit else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


password = b"mail-password"
if len(sys.argv) > 5:
    with open(sys.argv[5], "rb") as file:
        password = file.read()
implicit = sys.argv[2] == "tls"
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[3], sys.argv[4])
asyncio.run(main())
