//! Any sequence of calls to a `Hasher`: each job comes back once, with its parts and the digest
//! of the whole message.

use arbitrary::{Arbitrary, Unstructured};
use bt_hash::{Algorithm, Digest, Hashed, Hasher, sha1, sha256};

/// Decodes a list of operations.
pub fn run(data: &[u8]) {
    let Ok(operations) = Vec::<Operation>::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let mut hasher = Hasher::new();
    let mut jobs: Vec<Option<Job>> = Vec::new();
    for operation in operations {
        match operation {
            Operation::Submit(job) => {
                let id = jobs.len();
                hasher.submit(id, job.algorithm(), job.parts.clone());
                jobs.push(Some(job));
            }
            Operation::Flush => hasher.flush(),
            Operation::Poll => {
                let waiting = hasher.job_count();
                match hasher.poll() {
                    Some(hashed) => check(&mut jobs, hashed),
                    None => assert!(waiting < hasher.lanes(), "full lanes wait"),
                }
            }
        }
        let expected = jobs.iter().filter(|job| job.is_some()).count();
        assert_eq!(hasher.job_count(), expected);
    }
    hasher.flush();
    while let Some(hashed) = hasher.poll() {
        check(&mut jobs, hashed);
    }
    assert!(jobs.iter().all(Option::is_none), "a job is lost");
}

#[derive(Arbitrary)]
enum Operation {
    Submit(Job),
    Flush,
    Poll,
}

#[derive(Arbitrary)]
struct Job {
    is_sha256: bool,
    parts: Vec<Vec<u8>>,
}

impl Job {
    fn algorithm(&self) -> Algorithm {
        if self.is_sha256 {
            Algorithm::Sha256
        } else {
            Algorithm::Sha1
        }
    }
}

fn check(jobs: &mut [Option<Job>], hashed: Hashed<usize, Vec<u8>>) {
    let job = jobs[hashed.id]
        .take()
        .expect("a job that was not given back yet");
    let message = job.parts.concat();
    let expected = match job.algorithm() {
        Algorithm::Sha1 => Digest::Sha1(sha1(&message)),
        Algorithm::Sha256 => Digest::Sha256(sha256(&message)),
    };
    assert_eq!(hashed.digest, expected);
    assert_eq!(hashed.parts, job.parts);
}
