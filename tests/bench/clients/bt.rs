use std::process::Command;

use bt_tests::harness::Outcome;

use super::version_by;
use crate::{
    client::{Client, Task, Work},
    measure::{Done, Job},
};

pub(super) const BT: Client = Client {
    name: "bt",
    settings: "defaults; no DHT, LSD but in magnet",
    is_optional: false,
    works: &[
        Work::Download,
        Work::Verify,
        Work::Create,
        Work::Leech,
        Work::Seed,
        Work::Magnet,
    ],
    version: |bench| version_by(Command::new(bench.case.bt()?), "--version"),
    job,
};

/// With `--json` where it ends, for the time that it hashed.
fn job<'a>(task: &'a Task<'a>) -> Outcome<Job<'a>> {
    let mut command = Command::new(task.bench.case.bt()?);
    let done = match task.work {
        Work::Download | Work::Leech => {
            command.arg("get").arg(task.torrent);
            command.arg("-o").arg(task.folder);
            command.args(["--json", "--no-dht", "--no-lsd"]);
            remember_nothing(task, &mut command)?;
            Done::Event("complete")
        }
        Work::Seed => {
            command.arg("seed").arg(task.torrent).arg(task.content);
            command.args(["--json", "--no-dht", "--no-lsd"]);
            remember_nothing(task, &mut command)?;
            Done::Event("listening")
        }
        Work::Magnet => {
            command.arg("get").arg(task.torrent);
            command.arg("-o").arg(task.folder);
            command.args(["--dht-node", &task.dht_node()?]);
            command.arg("--state").arg(task.scratch);
            Done::Unasked
        }
        Work::Verify => {
            command.arg("verify").arg(task.torrent).arg(task.content);
            command.arg("--json");
            Done::Exit
        }
        Work::Create => {
            command.arg("create").arg(task.content).arg("--json");
            command.arg("-o").arg(task.torrent);
            command.arg(format!("--piece-length={}K", task.piece_length >> 10));
            command.arg(format!("--tracker=udp://{}/announce", task.tracker));
            Done::Exit
        }
    };
    Ok(Job { command, done })
}

/// Each round does the whole work, as the others do theirs.
fn remember_nothing(task: &Task<'_>, command: &mut Command) -> Outcome {
    let state = task.bench.case.folder("state")?;
    command.arg("--recheck").arg("--state").arg(state);
    Ok(())
}
