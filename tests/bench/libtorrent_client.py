"""libtorrent as a user of its library gets it, one job a process, for `cargo xtask bench peers`.

    libtorrent_client.py version
    libtorrent_client.py seed TORRENT DIR IP:PORT RESUME
                                               high_performance_seed(); until stdin ends. What the
                                               first one checked, the next ones find in RESUME
    libtorrent_client.py get TORRENT DIR IP:PORT      default settings; ends when complete
    libtorrent_client.py share TORRENT DIR IP:PORT    default settings; says when it is complete,
                                               and serves until stdin ends
    libtorrent_client.py verify TORRENT DIR IP:PORT   default settings; ends when checked
    libtorrent_client.py create PATH OUT PIECE_LENGTH URL

Prints one JSON object a line, the kind under "event". `interpreter` tells what Python had cost
when libtorrent's own work began: BENCH_STARTED, if it is set, is the Unix time at which the
process was started.
"""

import json
import os
import sys
import time
import warnings

warnings.simplefilter("ignore", DeprecationWarning)
import libtorrent as lt  # noqa: E402  (after the filter: importing warns)


def main():
    command, *arguments = sys.argv[1:]
    if "BENCH_STARTED" in os.environ:
        spent = os.times()
        say(
            "interpreter",
            wall_secs=time.time() - float(os.environ["BENCH_STARTED"]),
            user_secs=spent.user,
            system_secs=spent.system,
        )
    commands = (version, seed, get, share, verify, create)
    {function.__name__: function for function in commands}[command](*arguments)


def version():
    say("version", version=lt.__version__)


def seed(torrent, folder, address, resume):
    parameters = None
    if os.path.exists(resume):
        with open(resume, "rb") as file:
            parameters = lt.read_resume_data(file.read())
    session, handle = start(torrent, folder, address, lt.high_performance_seed(), parameters)
    wait(session, lambda: handle.status().is_seeding)
    if parameters is None:
        handle.save_resume_data()
        saved = wait_for(session, lt.save_resume_data_alert)
        with open(resume, "wb") as file:
            file.write(lt.write_resume_data_buf(saved.params))
    say("seeding")
    sys.stdin.read()


def get(torrent, folder, address):
    session, handle = start(torrent, folder, address, {})
    wait(session, lambda: handle.status().is_seeding)
    say("complete")


def share(torrent, folder, address):
    session, handle = start(torrent, folder, address, {})
    wait(session, lambda: handle.status().is_seeding)
    say("complete")
    sys.stdin.read()


def verify(torrent, folder, address):
    session, handle = start(torrent, folder, address, {})
    checking = (lt.torrent_status.checking_files, lt.torrent_status.checking_resume_data)
    wait(session, lambda: handle.status().state not in checking)
    if not handle.status().is_seeding:
        sys.exit("pieces are missing")
    say("complete")


def create(path, out, piece_length, url):
    files = lt.file_storage()
    lt.add_files(files, path)
    maker = lt.create_torrent(files, int(piece_length), lt.create_torrent.v1_only)
    maker.add_tracker(url)
    lt.set_piece_hashes(maker, os.path.dirname(path))
    with open(out, "wb") as file:
        file.write(lt.bencode(maker.generate()))
    say("complete")


def start(torrent, folder, address, settings, parameters=None):
    # Nothing but TCP without encryption, to peers from the tracker.
    settings = dict(settings)
    settings.update(
        listen_interfaces=address,
        alert_mask=lt.alert.category_t.status_notification | lt.alert.category_t.storage_notification,
        enable_dht=False,
        enable_lsd=False,
        enable_upnp=False,
        enable_natpmp=False,
        enable_outgoing_utp=False,
        enable_incoming_utp=False,
        out_enc_policy=2,
        in_enc_policy=2,
        allowed_enc_level=1,
        allow_multiple_connections_per_ip=True,
        ssrf_mitigation=False,
    )
    session = lt.session(settings)
    parameters = parameters or lt.add_torrent_params()
    parameters.ti = lt.torrent_info(torrent)
    parameters.save_path = folder
    parameters.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
    return session, session.add_torrent(parameters)


def wait(session, is_done):
    """Looks whenever libtorrent says that some state changed."""
    while not is_done():
        session.wait_for_alert(1000)
        session.pop_alerts()


def wait_for(session, kind):
    while True:
        session.wait_for_alert(1000)
        for alert in session.pop_alerts():
            if isinstance(alert, kind):
                return alert


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


if __name__ == "__main__":
    main()
