"""What schemathesis cannot know: that the body of an upload is bytes, and any bytes will do."""

import schemathesis
from hypothesis import strategies

OCTETS = "application/offset+octet-stream"


@schemathesis.serializer(OCTETS)
def octets(context, value):
    return {"data": value if isinstance(value, bytes) else str(value).encode()}


schemathesis.openapi.media_type(OCTETS, strategies.binary(max_size=10_000))
