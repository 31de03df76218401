"""Furnish an installation: process library, city, portal. Run inside the installation's environment, told by stdin.

It reads ``{"processes": [...], "city": {...}, "client": {"id", "secret", "reply_to"}}``.
"""

from __future__ import annotations

import sys

import orjson

from hub.catalogue import service as catalogue
from hub.identity import service as identity
from hub.kit import paths
from hub.kit.settings import settings
from hub.library import service as library
from hub.worker import database


def main() -> None:
    """Bring everything in, in one transaction."""
    told = orjson.loads(sys.stdin.buffer.read())
    tenant, client = settings().tenant, told["client"]
    db = database(settings())
    with db.write() as session:
        for name in told["processes"]:
            folder = paths.process_library() / name
            library.install(session, tenant, folder, by="Prozessverantwortung", reviewed_by="Vertretung")
        catalogue.load_city(session, tenant, told["city"])
        identity.save_client(
            session,
            tenant=tenant,
            client_id=client["id"],
            title="OZG-Portal",
            secret=client["secret"],
            reply_to=client["reply_to"],
        )
    db.dispose()


if __name__ == "__main__":
    main()
