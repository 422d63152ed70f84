//! What a bench of peers found, as it is kept: every single run, and where it was made.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Result;

/// A file of results. Tables are measured one by one, so each says for itself where it comes from.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Results {
    pub(crate) tables: BTreeMap<String, Table>,
}

/// What one run of the bench program writes.
#[derive(Debug, Deserialize)]
pub(crate) struct Measured {
    pub(crate) machine: Machine,
    pub(crate) tables: Vec<Table>,
}

/// One piece of work, done by all clients in turn.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Table {
    pub(crate) name: String,
    /// Of `bt`, and what was not committed then.
    #[serde(default)]
    pub(crate) commit: String,
    #[serde(default)]
    pub(crate) changed_files: usize,
    #[serde(default)]
    pub(crate) unix_time: u64,
    pub(crate) machine: Option<Machine>,
    pub(crate) file_system: String,
    pub(crate) payload_bytes: u64,
    pub(crate) files: u64,
    pub(crate) piece_length: u64,
    /// Of whom there are many at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) swarm: Option<Swarm>,
    /// In which a seeder is to be found by its info hash, if that is the work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dht_nodes: Option<u32>,
    pub(crate) rounds: u32,
    /// How busy the machine was.
    pub(crate) load_before: f64,
    pub(crate) load_after: f64,
    pub(crate) clients: Vec<Client>,
    pub(crate) missing: Vec<Missing>,
    pub(crate) runs: Vec<Run>,
}

/// A seeder and leechers, each with a line of its own.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Swarm {
    pub(crate) leechers: u32,
    pub(crate) up_bits_per_sec: u64,
    pub(crate) down_bits_per_sec: u64,
    /// Before that nobody can have brought everything to all of them, however well they share.
    pub(crate) bound_secs: f64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    /// Those that make hashing fast.
    pub(crate) cpu_flags: Vec<String>,
    pub(crate) cores: u32,
    pub(crate) memory_bytes: u64,
    pub(crate) kernel: String,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Client {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) settings: String,
    /// Nobody insists on it.
    pub(crate) is_optional: bool,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Missing {
    pub(crate) name: String,
    pub(crate) reason: String,
    pub(crate) is_optional: bool,
}

/// A client, once.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Run {
    pub(crate) client: String,
    pub(crate) round: u32,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum Outcome {
    Failed { failed: String },
    Done(Cost),
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Cost {
    /// From its start until it says that it is done; of a swarm, until all leechers do; from a
    /// magnet link, until the seeder says that it has sent something.
    pub(crate) wall_secs: f64,
    /// Of a swarm, until the first does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_secs: Option<f64>,
    /// CPU time of the whole process, to its end; of a swarm, of all processes, to the end of
    /// `wall_secs`, and from a magnet link, too.
    pub(crate) user_secs: f64,
    pub(crate) system_secs: f64,
    /// The part of it that went into hashing, of who tells.
    pub(crate) hash_secs: Option<f64>,
    /// Of a swarm, of whom that had most.
    pub(crate) peak_rss_bytes: u64,
    /// Without mapped files.
    pub(crate) peak_anon_bytes: u64,
    /// CPU time of the seeder meanwhile.
    pub(crate) seeder_cpu_secs: Option<f64>,
}

impl Cost {
    pub(crate) fn cpu_secs(&self) -> f64 {
        self.user_secs + self.system_secs
    }
}

impl Results {
    /// What is in the file; nothing if there is none yet.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let results = serde_json::from_slice(&text);
        Ok(results.map_err(|error| format!("{}: {error}", path.display()))?)
    }

    /// With sorted keys and one line for each value, so that a newer file differs where it should.
    pub(crate) fn write(&self, path: &Path) -> Result {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let value: Value = serde_json::to_value(self)?;
        fs::write(path, format!("{value:#}\n"))?;
        Ok(())
    }
}
