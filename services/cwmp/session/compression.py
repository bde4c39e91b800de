"""Compression of what the ACS is sent (TR-069a6 3.4.7, ManagementServer.HTTPCompression)."""

from __future__ import annotations

import zlib

from cwmp.session.soap import Body

CODINGS = {"GZIP": "gzip", "Deflate": "deflate"}
"""Values of HTTPCompression and the content coding each stands for (RFC 9110 8.4.1)."""

_WINDOW = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


def compressed(body: Body, coding: str) -> Body:
    """`body` in that content coding. Held as a whole: its length has to be known first, and SOAP shrinks well."""
    compress = zlib.compressobj(6, zlib.DEFLATED, _WINDOW[coding])
    data = b"".join([*map(compress.compress, body.chunks()), compress.flush()])
    return Body(len(data), data)
