"""Run one twin as a process of its own; prints its address as a JSON line once it listens."""

from __future__ import annotations

import argparse
from pathlib import Path

import orjson

from connectors.twins import TWINS


def main() -> None:
    """``python -m connectors.twins NAME --port 0 --data DIR [--callback URL] [--webhook-secret S] [--pace S]``."""
    parser = argparse.ArgumentParser(prog="python -m connectors.twins")
    parser.add_argument("name", choices=sorted(TWINS))
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--callback")
    parser.add_argument("--webhook-secret", default="twin-secret")
    parser.add_argument("--pace", type=float, default=0.2)
    args = parser.parse_args()
    twin = TWINS[args.name](args.data, callback=args.callback, webhook_secret=args.webhook_secret, pace_s=args.pace)

    def ready() -> None:
        line = {
            "name": twin.name,
            "address": twin.address,
            "connector": twin.connector,
            "settings": twin.instance_settings(),
        }
        print(orjson.dumps(line).decode(), flush=True)

    twin.serve(args.port, ready)


if __name__ == "__main__":
    main()
