"""Signatures of S3 requests (AWS version 4), so that a test can put and get objects without the client it is testing."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

REGION = "us-east-1"
PAYLOAD = "UNSIGNED-PAYLOAD"


def signed(method: str, host: str, path: str, key: str, secret: str) -> Mapping[str, str]:
    """Return the headers that sign a request without a query; `path` is as it is sent, that is, quoted."""
    now = datetime.now(UTC)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    headers = {"host": host, "x-amz-content-sha256": PAYLOAD, "x-amz-date": stamp}
    names = ";".join(headers)
    canonical = "\n".join([method, path, "", *(f"{k}:{v}" for k, v in headers.items()), "", names, PAYLOAD])
    scope = f"{day}/{REGION}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    secret_now = f"AWS4{secret}".encode()
    for word in scope.split("/"):
        secret_now = _mac(secret_now, word)
    signature = _mac(secret_now, text).hex()
    credential = f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return headers | {"authorization": credential}


def quoted(*parts: str) -> str:
    """Return the path of an object as S3 signs it."""
    return "/" + "/".join(quote(part, safe="/-_.~") for part in parts)


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
