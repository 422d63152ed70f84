"""Nodes of libtorrent's DHT, driven by the interop harness and the bench. Runs with libtorrent 2.0.8 and later.

    libtorrent_dht.py IP:PORT... [--bootstrap IP:PORT]

One node an address. Prints one JSON object a line, the kind under "event":

    ready      every node has its socket
    nodes      counts: how many others each node knows; whenever that changed
    peers      node, info_hash, peers: what a look-up has found
    item       node, target, value: an immutable or mutable item that was found
    put        node, target: an item was put, and with how many nodes
    alert      node, kind, message of what an onlooker wants to know

Reads commands from stdin and ends with its end, so that it never outlives the harness:

    announce NODE HASH PORT    have the nodes around HASH know a peer
    get-peers NODE HASH        look for peers
    put NODE TEXT              store an immutable item
    get-item NODE TARGET       look for an immutable item
    get-mutable NODE KEY       look for a mutable item without salt
"""

import argparse
import json
import os
import select
import sys
import time
import warnings

warnings.simplefilter("ignore", DeprecationWarning)
import libtorrent as lt  # noqa: E402  (after the filter: importing warns)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("listen", nargs="+")
    parser.add_argument("--bootstrap", default="")
    arguments = parser.parse_args()
    sessions = [session(listen, arguments.bootstrap) for listen in arguments.listen]
    say("ready")
    counts, next_walk = None, 0
    while True:
        ready, _, _ = select.select([sys.stdin], [], [], 0.1)
        if ready:
            words = sys.stdin.readline().split()
            if not words:
                return
            obey(sessions, words)
        for node, ses in enumerate(sessions):
            for alert in ses.pop_alerts():
                report(node, alert)
        # A table fills by traffic only.
        if time.monotonic() >= next_walk:
            next_walk = time.monotonic() + 1
            for ses in sessions:
                ses.dht_get_peers(lt.sha1_hash(os.urandom(20)))
        found = [ses.status().dht_nodes for ses in sessions]
        if found != counts:
            counts = found
            say("nodes", counts=counts)


def session(listen, bootstrap):
    category = lt.alert.category_t
    return lt.session({
        "listen_interfaces": listen,
        "dht_bootstrap_nodes": bootstrap,
        "enable_dht": True,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        # Many nodes of one machine.
        "dht_restrict_routing_ips": False,
        "dht_restrict_search_ips": False,
        "dht_ignore_dark_internet": False,
        "dht_prefer_verified_node_ids": False,
        "dht_enforce_node_id": False,
        "dht_block_ratelimit": 1000,
        # Beyond it a node does not answer.
        "dht_upload_rate_limit": 1000000,
        "alert_mask": category.dht_notification
        | category.dht_operation_notification
        | category.error_notification,
    })


def obey(sessions, words):
    command, node, rest = words[0], int(words[1]), words[2:]
    ses = sessions[node]
    if command == "announce":
        ses.dht_announce(sha1(rest[0]), int(rest[1]), 0)
    elif command == "get-peers":
        ses.dht_get_peers(sha1(rest[0]))
    elif command == "put":
        say("put", node=node, target=str(ses.dht_put_immutable_item(rest[0])))
    elif command == "get-item":
        ses.dht_get_immutable_item(sha1(rest[0]))
    elif command == "get-mutable":
        ses.dht_get_mutable_item(bytes.fromhex(rest[0]), b"")


def sha1(text):
    return lt.sha1_hash(bytes.fromhex(text))


def report(node, alert):
    kind = type(alert).__name__
    if kind == "dht_get_peers_reply_alert":
        if alert.num_peers():
            peers = ["%s:%d" % peer for peer in alert.peers()]
            say("peers", node=node, info_hash=str(alert.info_hash), peers=peers)
    elif kind == "dht_immutable_item_alert":
        say("item", node=node, target=str(alert.target), value=text(alert.item))
    elif kind == "dht_mutable_item_alert":
        say("item", node=node, target=bytes(alert.key).hex(), value=text(alert.item))
    elif kind in ("dht_put_alert", "listen_failed_alert", "dht_error_alert", "dht_bootstrap_alert"):
        say("alert", node=node, kind=kind, message=alert.message())


def text(item):
    """What an item holds, whatever this version of the bindings makes of it."""
    if isinstance(item, dict):
        item = item.get("value", item)
    return item.decode("latin-1") if isinstance(item, bytes) else str(item)


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


if __name__ == "__main__":
    main()
