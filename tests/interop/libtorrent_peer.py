"""One libtorrent peer, driven by the interop harness. Runs with libtorrent 2.0.8 and later.

    libtorrent_peer.py version
    libtorrent_peer.py create CONTENT OUT.torrent --piece-length N [--format v1|v2|hybrid] [--tracker URL]...
    libtorrent_peer.py info CONTENT --piece-length N [--private] [--source TEXT]
    libtorrent_peer.py run TORRENT|MAGNET --save DIR --listen IP:PORT [options]

Prints one JSON object a line, the kind under "event":

    created    info_hash, info_hash_v2 (null where absent), total_size, piece_length, piece_count
    info       the info dictionary in hex that a v1 torrent of CONTENT has, its files in the order of BEP 52;
               is_canonical: whether that is libtorrent's own canonical order
    started    the session exists and the torrent is being checked
    status     state, progress, peers, uploaded, downloaded (payload bytes); whenever one of them changed
    seeding    everything is there and checked; after --corrupt: and damaged
    finished   a download that began here is complete
    uploads    the answer to that command: pieces, those of which blocks were sent, or were on their way, to peers
               that have gone since; uploaded, as in status
    alert      kind and message of what an onlooker wants to know (a failed hash, a ban, an error)

Reads commands from stdin and ends with its end, so that it never outlives the harness:

    peer IP:PORT      connect to a peer
    upload-limit N    bytes per second; 0 takes the limit away
    uploads           waits until nobody is connected, tells of what pieces blocks were sent, and forgets it; only
                      with --record-uploads
"""

import argparse
import json
import os
import select
import sys
import warnings

warnings.simplefilter("ignore", DeprecationWarning)
import libtorrent as lt  # noqa: E402  (after the filter: importing warns)

REPORTED_ALERTS = {
    "file_error_alert",
    "hash_failed_alert",
    "listen_failed_alert",
    "peer_ban_alert",
    "peer_connect_alert",
    "peer_disconnected_alert",
    "peer_error_alert",
    "torrent_error_alert",
    "tracker_error_alert",
    "tracker_reply_alert",
}


def main():
    arguments = parse_arguments()
    if arguments.command == "version":
        say("version", version=lt.__version__)
    elif arguments.command == "create":
        create(arguments)
    elif arguments.command == "info":
        info(arguments)
    else:
        Peer(arguments).run()


def parse_arguments():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("version")

    make = commands.add_parser("create")
    make.add_argument("content")
    make.add_argument("out")
    make.add_argument("--piece-length", type=int, required=True)
    make.add_argument("--format", choices=["v1", "v2", "hybrid"], default="v1")
    make.add_argument("--tracker", action="append", default=[])

    describe = commands.add_parser("info")
    describe.add_argument("content")
    describe.add_argument("--piece-length", type=int, required=True, help="0 lets libtorrent choose")
    describe.add_argument("--private", action="store_true")
    describe.add_argument("--source")

    run = commands.add_parser("run")
    run.add_argument("torrent")
    run.add_argument("--save", required=True)
    run.add_argument("--listen", required=True)
    run.add_argument("--peer", action="append", default=[])
    run.add_argument("--upload-limit", type=int, default=0)
    run.add_argument("--corrupt", action="append", default=[], metavar="FILE:OFFSET:LENGTH")
    run.add_argument("--record-uploads", action="store_true")
    run.add_argument("--dht", default="", metavar="IP:PORT", help="a node that leads into the DHT")
    run.add_argument("--lsd", action="store_true", help="search for peers of the local network")
    run.add_argument("--no-pex", action="store_true", help="neither tell peers of others nor listen to that")
    return parser.parse_args()


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def create(arguments):
    files = lt.file_storage()
    lt.add_files(files, arguments.content)
    flags = {
        "v1": lt.create_torrent.v1_only,
        "v2": lt.create_torrent.v2_only,
        "hybrid": 0,
    }[arguments.format]
    maker = lt.create_torrent(files, arguments.piece_length, flags)
    for tier, url in enumerate(arguments.tracker):
        maker.add_tracker(url, tier)
    maker.set_comment("for the interop tests")
    maker.set_creator("libtorrent " + lt.__version__)
    lt.set_piece_hashes(maker, os.path.dirname(os.path.abspath(arguments.content)))
    with open(arguments.out, "wb") as out:
        out.write(lt.bencode(maker.generate()))

    info = lt.torrent_info(arguments.out)
    hashes = info.info_hashes()
    say(
        "created",
        info_hash=str(hashes.v1) if hashes.has_v1() else None,
        info_hash_v2=str(hashes.v2) if hashes.has_v2() else None,
        total_size=info.total_size(),
        piece_length=info.piece_length(),
        piece_count=info.num_pieces(),
    )


def info(arguments):
    found = lt.file_storage()
    lt.add_files(found, arguments.content)
    listed = [(found.file_path(n), found.file_size(n), found.file_flags(n)) for n in range(found.num_files())]
    # Without pad files libtorrent keeps the order that it is given, which is that of the disk's listing.
    listed.sort(key=lambda file: [name.encode() for name in file[0].split("/")])
    files = lt.file_storage()
    for path, size, flags in listed:
        files.add_file(path, size, flags)
    maker = lt.create_torrent(files, arguments.piece_length, lt.create_torrent.v1_only)
    maker.set_priv(arguments.private)
    lt.set_piece_hashes(maker, os.path.dirname(os.path.abspath(arguments.content)))
    made = maker.generate()[b"info"]
    if arguments.source is not None:
        made[b"source"] = arguments.source.encode()

    lt.create_torrent(found, 16384, lt.create_torrent.canonical_files)  # puts them in order
    pad = int(lt.file_storage.flag_pad_file)
    canonical = [found.file_path(n) for n in range(found.num_files()) if not int(found.file_flags(n)) & pad]
    say("info", info=lt.bencode(made).hex(), is_canonical=canonical == [path for path, _, _ in listed])


class Peer:
    def __init__(self, arguments):
        self.save = arguments.save
        self.corruptions = arguments.corrupt
        self.uploaded_pieces = set()
        self.uploads_wanted = False
        self.session = lt.session(settings(arguments))
        # libtorrent exempts local peers from rate limits by a class of their own: put everybody
        # into the global class instead.
        everybody_global = lt.ip_filter()
        everybody_global.add_rule("0.0.0.0", "255.255.255.255", 1)
        self.session.set_peer_class_filter(everybody_global)
        # Trackers return everybody to everybody: do not dial yourself.
        ip, _ = endpoint(arguments.listen)
        myself = lt.ip_filter()
        myself.add_rule(ip, ip, 1)
        self.session.set_ip_filter(myself)

        if arguments.torrent.startswith("magnet:"):
            parameters = lt.parse_magnet_uri(arguments.torrent)
        else:
            parameters = lt.add_torrent_params()
            parameters.ti = lt.torrent_info(arguments.torrent)
        parameters.save_path = arguments.save
        parameters.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
        if arguments.no_pex:
            parameters.flags |= lt.torrent_flags.disable_pex
        self.torrent = self.session.add_torrent(parameters)
        for peer in arguments.peer:
            self.torrent.connect_peer(endpoint(peer))

    def run(self):
        say("started", version=lt.__version__)
        seen = complete = downloaded_here = None
        while self.obey():
            self.session.wait_for_alert(100)
            self.take_alerts()
            status = self.torrent.status()
            if self.uploads_wanted and status.num_peers == 0:
                # What was sent to the last of them was told before it was gone.
                self.take_alerts()
                say("uploads", pieces=sorted(self.uploaded_pieces), uploaded=status.total_payload_upload)
                self.uploaded_pieces.clear()
                self.uploads_wanted = False

            downloaded_here = downloaded_here or status.state == lt.torrent_status.downloading
            news = (str(status.state), status.num_peers, status.total_payload_upload, status.total_payload_download)
            if news != seen:
                seen = news
                say(
                    "status",
                    state=str(status.state),
                    progress=status.progress,
                    peers=status.num_peers,
                    uploaded=status.total_payload_upload,
                    downloaded=status.total_payload_download,
                )
            if status.is_seeding and not complete:
                complete = True
                self.corrupt()
                say("finished" if downloaded_here else "seeding")

    def take_alerts(self):
        for alert in self.session.pop_alerts():
            kind = type(alert).__name__
            if kind == "block_uploaded_alert":
                self.uploaded_pieces.add(alert.piece_index)
            elif kind == "alerts_dropped_alert":
                sys.exit("alerts were lost: " + alert.message())
            elif kind in REPORTED_ALERTS:
                say("alert", kind=kind, message=alert.message())

    def obey(self):
        """Carries out what stdin says; false at its end."""
        while select.select([sys.stdin], [], [], 0)[0]:
            line = sys.stdin.readline()
            if not line:
                return False
            command, *arguments = line.split()
            if command == "peer":
                self.torrent.connect_peer(endpoint(*arguments))
            elif command == "upload-limit":
                self.session.apply_settings({"upload_rate_limit": int(*arguments)})
            elif command == "uploads":
                self.uploads_wanted = True
            else:
                sys.exit("unknown command: " + line)
        return True

    def corrupt(self):
        """Flips bytes on disk behind the back of a session that has already checked them."""
        for corruption in self.corruptions:
            name, offset, length = corruption.rsplit(":", 2)
            with open(os.path.join(self.save, name), "r+b") as file:
                file.seek(int(offset))
                good = file.read(int(length))
                file.seek(int(offset))
                file.write(bytes(byte ^ 0xFF for byte in good))


def settings(arguments):
    category = lt.alert.category_t
    alerts = (
        category.error_notification
        | category.status_notification
        | category.tracker_notification
        | category.connect_notification
        | category.peer_notification
    )
    if arguments.record_uploads:
        alerts |= category.upload_notification
    return {
        "listen_interfaces": arguments.listen,
        "upload_rate_limit": arguments.upload_limit,
        "alert_mask": alerts,
        "alert_queue_size": 100_000,
        # Only what the harness says: no discovery unless asked for, TCP.
        "enable_dht": bool(arguments.dht),
        "dht_bootstrap_nodes": arguments.dht,
        "dht_restrict_routing_ips": False,
        "dht_restrict_search_ips": False,
        "dht_ignore_dark_internet": False,
        "dht_prefer_verified_node_ids": False,
        "enable_lsd": arguments.lsd,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_outgoing_utp": False,
        "enable_incoming_utp": False,
        # Everything is on loopback.
        "allow_multiple_connections_per_ip": True,
        "ssrf_mitigation": False,
        "no_connect_privileged_ports": False,
        # Be quick about it.
        "min_reconnect_time": 1,
        "peer_connect_timeout": 5,
        "stop_tracker_timeout": 1,
        "unchoke_slots_limit": 20,
    }


def endpoint(text):
    ip, port = text.rsplit(":", 1)
    return ip, int(port)


if __name__ == "__main__":
    main()
