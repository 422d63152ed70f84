"""libtorrent as a user of its library gets it, one job a process, for `cargo xtask bench peers`.

    libtorrent_client.py version
    libtorrent_client.py seed TORRENT DIR IP:PORT RESUME
                                               high_performance_seed(); until stdin ends. What the
                                               first one checked, the next ones find in RESUME
    libtorrent_client.py seed_dht TORRENT DIR IP:PORT RESUME NODE
                                               default settings, known to the DHT alone; says when
                                               it has sent the first block; until stdin ends
    libtorrent_client.py get TORRENT DIR IP:PORT      default settings; ends when complete
    libtorrent_client.py fetch MAGNET DIR IP:PORT NODE
                                               default settings, but that NODE leads into the DHT,
                                               where it is looked up as soon as can be; until stdin
                                               ends
    libtorrent_client.py share TORRENT DIR IP:PORT    default settings; says when it is complete,
                                               and serves until stdin ends
    libtorrent_client.py verify TORRENT DIR IP:PORT   default settings; ends when checked
    libtorrent_client.py create PATH OUT PIECE_LENGTH [URL]

Prints one JSON object a line, the kind under "event". `interpreter` tells what Python had cost
when libtorrent's own work began: BENCH_STARTED, if it is set, is the Unix time at which the
process was started.
"""

import json
import os
import select
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
    commands = (version, seed, seed_dht, get, fetch, share, verify, create)
    {function.__name__: function for function in commands}[command](*arguments)


def version():
    say("version", version=lt.__version__)


def seed(torrent, folder, address, resume):
    parameters = remembered(resume)
    session, handle = start(torrent, folder, address, lt.high_performance_seed(), parameters)
    until_seeding(session, handle, resume)
    say("seeding")
    sys.stdin.read()


def seed_dht(torrent, folder, address, resume, node):
    category = lt.alert.category_t
    session = lt.session(dict(
        listen_interfaces=address,
        dht_bootstrap_nodes=node,
        alert_mask=category.status_notification | category.storage_notification
        | category.dht_notification | category.upload_notification,
        # Whoever looks for peers in other ways, too, finds none.
        enable_lsd=False,
        # Its node is one of many that ask each other all the time, and is silent when it has said more.
        dht_upload_rate_limit=1000000,
    ))
    # A torrent that is there before the DHT is would be announced minutes later.
    wait_for(session, lt.dht_bootstrap_alert)
    handle = add(session, remembered(resume), torrent, folder)
    until_seeding(session, handle, resume)
    say("seeding")
    wait_for(session, lt.block_uploaded_alert)
    say("sent", unix_secs=time.time())
    sys.stdin.read()


def get(torrent, folder, address):
    session, handle = start(torrent, folder, address, {})
    wait(session, lambda: handle.status().is_seeding)
    say("complete")


def fetch(link, folder, address, node):
    session = lt.session(dict(
        listen_interfaces=address,
        dht_bootstrap_nodes=node,
        alert_mask=lt.alert.category_t.dht_notification,
    ))
    parameters = lt.parse_magnet_uri(link)
    parameters.save_path = folder
    parameters.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
    handle = session.add_torrent(parameters)
    # By itself it would not look up before minutes are over what was added before the DHT was there.
    wait_for(session, lt.dht_bootstrap_alert)
    handle.force_dht_announce()
    sys.stdin.read()


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


def create(path, out, piece_length, *urls):
    files = lt.file_storage()
    lt.add_files(files, path)
    maker = lt.create_torrent(files, int(piece_length), lt.create_torrent.v1_only)
    for url in urls:
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
    return session, add(session, parameters, torrent, folder)


def add(session, parameters, torrent, folder):
    parameters = parameters or lt.add_torrent_params()
    parameters.ti = lt.torrent_info(torrent)
    parameters.save_path = folder
    parameters.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
    return session.add_torrent(parameters)


def remembered(resume):
    """What an earlier seeder has checked, if there was one."""
    if not os.path.exists(resume):
        return None
    with open(resume, "rb") as file:
        return lt.read_resume_data(file.read())


def until_seeding(session, handle, resume):
    """Waits for it, and has others remember what was checked."""
    wait(session, lambda: handle.status().is_seeding)
    if not os.path.exists(resume):
        handle.save_resume_data()
        saved = wait_for(session, lt.save_resume_data_alert)
        with open(resume, "wb") as file:
            file.write(lt.write_resume_data_buf(saved.params))


def wait(session, is_done):
    """Looks whenever libtorrent says that some state changed."""
    while not is_done():
        session.wait_for_alert(1000)
        session.pop_alerts()


def wait_for(session, kind):
    while not stdin_has_ended():
        session.wait_for_alert(1000)
        for alert in session.pop_alerts():
            if isinstance(alert, kind):
                return alert
    sys.exit("nobody waits for " + kind.__name__)


def stdin_has_ended():
    """It says nothing but that."""
    return bool(select.select([sys.stdin], [], [], 0)[0])


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


if __name__ == "__main__":
    main()
