use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Result;

/// Runs named steps one after the other, all of them even if some fail, and keeps their times:
/// one run of CI says everything that is wrong.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<Done>,
}

struct Done {
    name: &'static str,
    took: Duration,
    error: Option<String>,
}

impl Steps {
    #[expect(
        clippy::disallowed_methods,
        reason = "the time of each step is part of the report"
    )]
    pub(crate) fn run(&mut self, name: &'static str, step: impl FnOnce() -> Result) {
        println!("\n==> {name}");
        let start = Instant::now();
        let error = step().err().map(|error| error.to_string());
        if let Some(error) = &error {
            eprintln!("{name}: {error}");
        }
        self.done.push(Done {
            name,
            took: start.elapsed(),
            error,
        });
    }

    /// Prints each step's outcome and time.
    ///
    /// # Errors
    /// If a step failed; names all that did.
    pub(crate) fn finish(&self) -> Result {
        println!("\n==> times");
        for done in &self.done {
            let mark = if done.error.is_some() { "FAILED" } else { "ok" };
            println!(
                "{:>8.1} s  {mark:6}  {}",
                done.took.as_secs_f64(),
                done.name
            );
        }
        println!("{:>8.1} s  total", self.total().as_secs_f64());
        let failed: Vec<_> = self.failed().collect();
        if failed.is_empty() {
            return Ok(());
        }
        let lines = failed
            .iter()
            .map(|(name, error)| format!("\n  {name}: {error}"));
        Err(format!("failed:{}", lines.collect::<String>()).into())
    }

    /// The same for machines.
    pub(crate) fn to_json(&self) -> Value {
        let steps = self.done.iter().map(|done| {
            json!({
                "name": done.name,
                "seconds": (done.took.as_secs_f64() * 10.0).round() / 10.0,
                "error": done.error,
            })
        });
        steps.collect()
    }

    fn total(&self) -> Duration {
        self.done.iter().map(|done| done.took).sum()
    }

    fn failed(&self) -> impl Iterator<Item = (&str, &str)> {
        let failed = self.done.iter();
        failed.filter_map(|done| Some((done.name, done.error.as_deref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_does_not_stop_the_others_but_the_whole_fails() {
        let mut steps = Steps::default();
        let mut ran = false;
        steps.run("bad", || Err("no luck".into()));
        steps.run("good", || {
            ran = true;
            Ok(())
        });
        assert!(ran);
        let error = steps.finish().unwrap_err().to_string();
        assert_eq!(error, "failed:\n  bad: no luck");
        assert_eq!(steps.to_json()[0]["error"], "no luck");
        assert_eq!(steps.to_json()[1]["error"], Value::Null);
    }
}
