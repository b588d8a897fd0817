#!/usr/bin/env python3
"""Runs a workflow of edgememo with Dynamiq in Python, over the Redis that the Worker uses.

The YAML is the one the Worker is built from, so keys and values are the same, and each side is
served what the other stored. Every input is one run, and prints one line of JSON: the output of
each node, and whether it came from the cache. README.md beside this file says how to set it up.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import litellm
from dynamiq import Workflow
from dynamiq.cache.config import RedisCacheConfig
from dynamiq.callbacks.base import BaseCallbackHandler
from dynamiq.runnables import RunnableConfig

# What it would print on failures stands between the lines of JSON otherwise.
litellm.suppress_debug_info = True

WORKFLOW = Path(__file__).parents[2] / "workflows" / "summarize.yaml"


class ShareableRedisCacheConfig(RedisCacheConfig):
    """What works with a real Redis, unlike RedisCacheConfig of Dynamiq 0.69.0.

    Dynamiq hands the whole config to the client of Redis, which refuses the fields that it does not
    know. Here it gets its own, and with `ssl` it can also be a Redis that asks for TLS.
    """

    ssl: bool = False

    def to_dict(self, **kwargs) -> dict:
        return self.model_dump(include={"host", "port", "db", "username", "password", "ssl"})

    @classmethod
    def from_url(cls, url: str, **config) -> "ShareableRedisCacheConfig":
        parts = urlsplit(url)
        if parts.scheme not in ("redis", "rediss"):
            raise ValueError("the URL of the Redis has to start with redis:// or rediss://")
        return cls(
            host=parts.hostname or "localhost",
            port=parts.port or 6379,
            db=int(parts.path.strip("/") or 0),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            ssl=parts.scheme == "rediss",
            **config,
        )


class FromCache(BaseCallbackHandler):
    """Remembers of each node that ended whether its output came from the cache.

    A callback is the only place where Dynamiq tells: the result of a run does not.
    """

    def __init__(self):
        self.nodes: dict[str, bool] = {}

    def on_node_end(self, serialized, output_data, **kwargs):
        self.nodes[serialized["id"]] = kwargs["is_output_from_cache"]


def run(workflow: Workflow, cache: RedisCacheConfig, input_data: dict) -> dict:
    from_cache = FromCache()
    result = workflow.run(input_data, config=RunnableConfig(cache=cache, callbacks=[from_cache]))
    told = result.to_dict()
    line = {"status": told["status"], "nodes": {}, "error": described(told.get("error"))}
    for node_id, node in (told["output"] or {}).items():
        line["nodes"][node_id] = {
            "status": node["status"],
            "output": node["output"],
            "is_output_from_cache": from_cache.nodes.get(node_id, False),
            "error": described(node.get("error")),
        }
    return line


def described(error: dict | None) -> dict | None:
    return error and {"type": error["type"], "message": error["message"]}


def json_object(text: str) -> dict:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError('has to be an object, such as {"text": "hello"}')
    return value


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("inputs", nargs="+", type=json_object, metavar="INPUT", help="as JSON")
    parser.add_argument("--workflow", type=Path, default=WORKFLOW, metavar="FILE")
    parser.add_argument("--id", help="of the workflow, when the file has several")
    parser.add_argument("--namespace", help="as config.cache.namespace of the Worker; none without")
    parser.add_argument("--ttl", type=int, help="in seconds; entries do not expire without")
    parser.add_argument(
        "--redis",
        default=os.environ.get("REDIS_URL", "redis://localhost:6379/0"),
        metavar="URL",
        help="redis:// or rediss://; better in REDIS_URL, since others can see arguments",
    )
    args = parser.parse_args()
    try:
        cache = ShareableRedisCacheConfig.from_url(
            args.redis, namespace=args.namespace, ttl=args.ttl
        )
    except ValueError:
        parser.error("--redis or REDIS_URL is not redis[s]://[[user]:password@]host[:port][/db]")

    workflow = Workflow.from_yaml_file(str(args.workflow), wf_id=args.id)
    failed = False
    for input_data in args.inputs:
        line = run(workflow, cache, input_data)
        failed |= line["status"] != "success"
        print(json.dumps(line), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
