//! Counts checks and prints them as TAP; a check that returns an error has failed.

use std::fmt::Debug;
use std::future::Future;

pub type Failure = Box<dyn std::error::Error>;
pub type Outcome = Result<(), Failure>;

pub struct Tap {
    count: u32,
}

impl Tap {
    pub fn new() -> Tap {
        Tap { count: 0 }
    }

    pub async fn check(&mut self, name: &str, run: impl Future<Output = Outcome>) {
        self.count += 1;
        match run.await {
            Ok(()) => println!("ok {} - {}", self.count, name),
            Err(failure) => {
                let mut reason = failure.to_string();
                let mut source = failure.source();
                while let Some(cause) = source {
                    reason += &format!("\n{}", cause);
                    source = cause.source();
                }
                println!("not ok {} - {}\n# {}", self.count, name, reason.replace('\n', "\n# "));
            }
        }
    }

    pub fn finish(&self) {
        println!("1..{}", self.count);
    }
}

pub fn same<T: PartialEq + Debug>(wanted: T, got: T) -> Outcome {
    if wanted == got {
        Ok(())
    } else {
        Err(format!("wanted {:?}, got {:?}", wanted, got).into())
    }
}
